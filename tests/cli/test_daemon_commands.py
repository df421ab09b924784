"""status, stop, logs, doctor, init, key, model, help and completion."""

import os
import stat

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say

SECRET = "sk-ant-api03-not-to-be-seen"


def test_status_and_stop_start_nothing(bare: Machine) -> None:
    assert "No daemon runs" in bare.ok("status").out
    assert bare.ok("status", "--json").json["daemon"] is False
    assert "No daemon runs" in bare.ok("stop").out
    assert not (bare.home.data / "projects").exists()


def test_status_of_a_running_one(bare: Machine) -> None:
    bare.ok("session", "new", "a")
    shown = bare.ok("status").out
    for words in ("Daemon: agentd-lsp", f"Root: {bare.home.root}", "1 active", "Saving: works"):
        assert words in shown
    answer = bare.ok("status", "--json").json
    assert (answer["daemon"], answer["running"], answer["sessions"]["active"]) == (True, [], 1)


def test_stop_ends_it(bare: Machine) -> None:
    bare.ok("session", "new", "a")
    assert bare.ok("stop").out.startswith("Stopped the daemon of ")
    assert "No daemon runs" in bare.ok("status").out
    assert bare.ok("session", "list", "--json").json["total"] == 1


def test_logs(bare: Machine) -> None:
    assert "No log yet" in bare.ok("logs").err
    bare.ok("session", "list")
    assert str(bare.home.root) in bare.ok("logs").out
    assert len(bare.ok("logs", "-n", "1").out.splitlines()) == 1


def test_logs_follow(bare: Machine) -> None:
    bare.ok("session", "list")
    with bare.started("logs", "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.terminate()


def test_doctor(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    done = machine.ok("doctor")
    for name in ("Python", "Store", "Daemon", "Key", "Endpoint", "Proxy", "Built-in model"):
        assert f"  {name}: " in done.out
    assert "test-key" not in done.out
    checks = machine.ok("doctor", "--json").json["checks"]
    assert {check["name"] for check in checks} >= {"Python", "Store", "Key"}
    assert all(set(check) == {"name", "state", "told", "mend"} for check in checks)
    assert next(check for check in checks if check["name"] == "Endpoint")["state"] == "ok"


def test_doctor_names_what_is_wrong(bare: Machine) -> None:
    bare.home.settings({"modle": "x"})
    bare.variables = {"ANTHROPIC_BASE_URL": "nonsense", "ANTHROPIC_API_KEY": SECRET}
    done = bare.run("doctor")
    assert done.code == 1
    assert "modle: no such setting" in done.out
    assert "FAIL  Endpoint" in done.out
    assert SECRET not in done.out + done.err


def test_doctor_finds_a_store_that_cannot_be_written(bare: Machine) -> None:
    bare.variables = {"AGENTD_HOME": "/proc/agentd"}
    done = bare.run("doctor")
    assert done.code == 1
    assert "FAIL  Store: /proc/agentd cannot be written" in done.out
    refused = bare.run("chat", "hello there")
    assert refused.code == 1
    assert refused.err.startswith("Error: /proc")


def test_init_makes_a_project_of_its_own(bare: Machine) -> None:
    inner = bare.home.root / "inner"
    inner.mkdir()
    (bare.home.root / ".git").mkdir()
    done = bare.run("init", cwd=str(inner))
    assert done.code == 0
    assert "a project of its own" in done.out
    assert (inner / ".agentd" / "project-id").read_text().strip()
    assert (inner / ".agentd" / ".gitignore").read_text().splitlines() == ["/*", "!/agents/", "!/prompts/"]
    before = (inner / ".agentd" / "project-id").read_text()
    assert "is a project already" in bare.ok("init", str(inner)).out
    assert (inner / ".agentd" / "project-id").read_text() == before
    assert bare.run("status", cwd=str(inner)).out.strip().endswith("The next chat starts one.")
    assert str(inner) in bare.run("status", cwd=str(inner)).out


def test_init_of_no_directory(bare: Machine) -> None:
    assert bare.run("init", "nowhere").code == 2


KEYS = [["key", "set", SECRET], ["key", "set", "--" + SECRET], ["key", "set", "-x"], ["key", SECRET],
        ["key", "unset", SECRET], [SECRET]]  # fmt: skip


@pytest.mark.parametrize("arguments", KEYS)
def test_a_key_is_no_argument(bare: Machine, arguments: list[str]) -> None:
    done = bare.run(*arguments)
    assert done.code == 2
    assert "never" in done.err
    assert "agentd key set" in done.err
    assert arguments[-1] not in done.out + done.err


def test_key_from_standard_input(bare: Machine) -> None:
    assert bare.run("key", "status").code == 1
    done = bare.ok("key", "set", stdin=SECRET + "\n")
    assert "kept in" in done.out
    assert "credentials.json" in bare.ok("key", "status").out
    file = bare.home.data / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert bare.ok("models", "--json").json["default"].startswith("claude")
    assert "forgotten" in bare.ok("key", "unset").out
    assert "No key was kept" in bare.ok("key", "unset").out
    assert bare.run("key", "status").code == 1
    assert SECRET not in bare.home.log()


def test_an_empty_key_changes_nothing(bare: Machine) -> None:
    done = bare.run("key", "set", stdin="\n")
    assert done.code == 2
    assert "nothing is changed" in done.err


def test_a_key_that_is_none(bare: Machine) -> None:
    done = bare.run("key", "set", stdin="two words\n")
    assert done.code == 2
    assert "two words" not in done.err


def test_key_from_a_prompt_is_not_shown(bare: Machine) -> None:
    with bare.terminal("key", "set") as terminal:
        terminal.sees("API key for Claude")
        terminal.enters(SECRET)
        assert terminal.ends() == 0
        assert SECRET not in terminal.seen
        assert "kept in" in terminal.seen


def test_models(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    done = machine.ok("model", "list")
    assert "* claude" in done.out
    assert machine.ok("models", "--json").json["models"]
    assert machine.ok("model").out == done.out


def test_help_lists_every_command(bare: Machine) -> None:
    shown = bare.ok("--help").out
    for command in ("chat", "continue", "resume", "session", "model", "key", "status", "stop", "logs", "init", "doctor",
                    "lsp", "serve"):  # fmt: skip
        assert f"  {command} " in shown
    assert bare.ok("-h").out == shown
    for group in ("session", "model", "key", "chat"):
        assert "Usage: agentd " + group in bare.ok(group, "--help").out


def test_version(bare: Machine) -> None:
    assert bare.ok("--version").out.startswith("agentd-lsp ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(bare: Machine, shell: str) -> None:
    bare.variables = {"SHELL": f"/bin/{shell}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "_AGENTD_COMPLETE" in bare.ok("--show-completion", shell).out


def test_completion_of_commands(bare: Machine) -> None:
    bare.variables = {"_AGENTD_COMPLETE": "complete_bash", "COMP_WORDS": "agentd session re", "COMP_CWORD": "2"}
    assert set(bare.run().out.split()) >= {"resume", "rename", "restore"}


def test_a_removed_directory(bare: Machine) -> None:
    gone = bare.home.base / "gone"
    gone.mkdir()
    os.rmdir(gone)
    done = bare.run("status", "--root", str(gone))
    assert done.code == 2
    assert "is not a directory" in done.err


def test_the_daemon_that_a_chat_starts_serves_the_next(make_machine: MakeMachine) -> None:
    machine = make_machine([say("a"), say("b")])
    machine.ok("chat", "one two")
    pid = machine.ok("status", "--json").json["pid"]
    machine.ok("chat", "three four")
    assert machine.ok("status", "--json").json["pid"] == pid


def test_key_alone_is_its_status(bare: Machine) -> None:
    done = bare.run("key")
    assert (done.code, done.err) == (1, "")
    assert "No key for Claude" in done.out
    assert bare.run("key", "set", "--json", stdin=SECRET + "\n").json["provider"] == "anthropic"
    assert "No such command 'statsu'" in bare.run("key", "statsu").err
    assert "stray" not in bare.ok("key", "set", "--help").out


@pytest.mark.parametrize("command", ["lsp", "serve"])
def test_help_of_the_programs_that_editors_start(bare: Machine, command: str) -> None:
    done = bare.ok(command, "--help")
    assert f"usage: agentd {command}" in done.out
    assert done.err == ""


@pytest.mark.parametrize("command", [["session", "list"], ["status"], ["logs"], ["key", "status"], ["search", "x"]])
def test_a_store_that_can_be_none(bare: Machine, command: list[str]) -> None:
    file = bare.home.write("file", "")
    for chosen, told in (("here", "would be another store in each folder"), (str(file), "is not a directory")):
        bare.variables = {"AGENTD_HOME": chosen}
        done = bare.run(*command)
        assert done.code == 2
        assert told in done.err
    assert not (bare.home.root / "here").exists()
