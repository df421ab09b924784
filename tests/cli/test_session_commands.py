"""``agentd session …`` against the real daemon."""

import re

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """With two sessions: ``auth`` of two turns, and an unnamed one."""
    machine = make_machine([say("one"), say("two"), say("three"), say("four"), say("five")])
    machine.ok("chat", "--session", "auth", "Add a login")
    machine.ok("chat", "--session", "auth", "Add a logout")
    machine.ok("chat", "Debug the parser")
    return machine


def test_list(machine: Machine) -> None:
    done = machine.ok("session", "list")
    head, newest, older = done.out.splitlines()
    assert head.split()[0] == "ID"
    assert '"Debug the parser"' in newest
    assert "auth" in older
    assert '"Add a logout"' in older
    assert [line.split()[0] for line in machine.ok("sessions").out.splitlines()] == [
        line.split()[0] for line in done.out.splitlines()
    ]
    assert done.err == ""


def test_list_json_is_complete(machine: Machine) -> None:
    found = machine.ok("session", "list", "--json").json
    assert found["total"] == 2
    assert {"id", "created", "lastActive", "messageCount", "fileCount", "lastPrompt"} <= set(found["sessions"][0])
    assert machine.ok("session", "list", "--limit", "1", "--json").json["sessions"] == found["sessions"][:1]


def test_limit_and_search(machine: Machine) -> None:
    assert "1 of 2" in machine.ok("session", "list", "--limit", "1").err
    found = machine.ok("session", "list", "--search", "logout", "--json").json["sessions"]
    assert [session["name"] for session in found] == ["auth"]
    assert "No session matches 'xyzzy'" in machine.ok("session", "list", "--search", "xyzzy").err


def test_an_empty_list_says_how_to_begin(bare: Machine) -> None:
    done = bare.ok("session", "list")
    assert done.out == ""
    assert "No sessions yet" in done.err


def test_show(machine: Machine) -> None:
    shown = machine.ok("session", "show", "auth").out
    for words in ("Name: auth", "Status: active", "4 messages, 2 turns", "Last Prompt: Add a logout", "Model: "):
        assert words in shown
    assert machine.ok("session", "show", "auth", "--json").json["session"]["name"] == "auth"


def test_rename(machine: Machine) -> None:
    short = machine.first_session()["id"][:8]
    assert f"Session {short} is now named 'Parser work'" in machine.ok("session", "rename", short, "Parser work").out
    assert machine.ok("session", "name", short, "Parser", "again").out.endswith("'Parser again'\n")
    assert machine.ok("session", "show", "Parser again", "--json").json["session"]["nameSource"] == "user"


def test_archive_and_restore(machine: Machine) -> None:
    assert "Archived session 'auth'" in machine.ok("session", "archive", "auth").out
    assert machine.ok("session", "list", "--json").json["total"] == 1
    history = machine.ok("session", "history")
    assert "auth" in history.out
    everything = machine.ok("session", "list", "--all", "--json").json["sessions"]
    assert {session["status"] for session in everything} == {"active", "archived"}
    refused = machine.run("chat", "--resume", "auth", "Go on")
    assert refused.code == 2
    assert "is archived" in refused.err
    assert "agentd session restore" in refused.err
    assert "Restored session 'auth'" in machine.ok("session", "restore", "auth").out
    assert machine.ok("session", "list", "--json").json["total"] == 2


def test_fork(machine: Machine) -> None:
    done = machine.ok("session", "fork", "auth", "1", "my-experiment")
    assert re.match("Forked from [0-9a-f]{8} at turn 1: new session 'my-experiment' ", done.out)
    fork = machine.ok("session", "show", "my-experiment", "--json").json["session"]
    assert (fork["turnCount"], fork["forkedFrom"]["turn"]) == (1, 1)
    assert machine.ok("session", "fork", "auth", "--json").json["session"]["turnCount"] == 2
    assert " at turn 0: new session " in machine.ok("session", "fork", "auth", "0").out
    assert machine.ok("session", "show", "auth", "--json").json["session"]["turnCount"] == 2
    assert machine.run("session", "fork", "auth", "9").code == 2


def test_resume_with_a_prompt(machine: Machine) -> None:
    done = machine.ok("session", "resume", "auth", "Continue from here")
    assert done.out == "four\n"
    assert "Resumed session: 'auth' (4 messages)" in done.err
    assert machine.ok("resume", "auth", "And on").out == "five\n"


def test_clear(machine: Machine) -> None:
    assert "no longer sent" in machine.ok("session", "clear", "auth").out
    machine.ok("session", "resume", "auth", "Fresh start")
    assert machine.api is not None
    assert len(machine.api.requests[-1].body["messages"]) == 1
    assert "3 turns" in machine.ok("session", "show", "auth").out


def test_new_and_update(machine: Machine) -> None:
    assert "Created new session: 'plans'" in machine.ok("session", "new", "plans").out
    assert "mode plan" in machine.ok("session", "update", "plans", "--mode", "plan").out
    assert machine.ok("session", "show", "plans", "--json").json["session"]["mode"] == "plan"


@pytest.mark.parametrize("command", ["show", "archive", "restore", "clear", "fork"])
def test_not_found(bare: Machine, command: str) -> None:
    done = bare.run("session", command, "abc123")
    assert done.code == 2
    assert done.err == "Error: Session 'abc123' not found\nUse 'agentd session list' to see the available sessions.\n"


def test_not_found_by_resume(bare: Machine) -> None:
    for arguments in (["session", "resume", "abc123", "hi there"], ["chat", "--resume", "abc123", "hi there"],
                      ["chat", "--session", "550e8400-e29b-41d4-a716-446655440000", "hi"]):  # fmt: skip
        done = bare.run(*arguments)
        assert done.code == 2
        assert "not found" in done.err


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_invalid_names(machine: Machine, name: str) -> None:
    done = machine.run("session", "rename", "auth", name)
    assert done.code == 2
    assert "Session name must be between 1 and 256 characters" in done.err


def test_a_name_of_control_characters(machine: Machine) -> None:
    done = machine.run("session", "rename", "auth", "a\tb")
    assert done.code == 2
    assert done.err == "Error: Session name must be one line of printable characters\n"


def test_control_characters_of_a_prompt_do_not_reach_the_terminal(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok")])
    machine.ok("chat", "evil \x1b]0;title\x07 prompt")
    with machine.terminal("session", "list", size=(100, 24)) as terminal:
        assert "\x07" not in terminal.left()
