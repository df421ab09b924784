"""``agentd session export`` against the real daemon."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    machine = make_machine([say("Use `KEY=sk-ant-api03-abcdefghijkl3`, **please**")])
    machine.ok("chat", "--session", "auth", "Add a login")
    return machine


def root_of(machine: Machine) -> Path:
    return Path(machine.home.root)


def test_in_a_pipe_it_is_printed_and_can_be_read(machine: Machine) -> None:
    done = machine.ok("session", "export", "auth", "--format", "json")
    assert done.json["session"]["name"] == "auth"
    assert [item["kind"] for item in done.json["turns"][0]["items"]] == ["prompt", "text"]
    assert done.err == ""
    assert machine.ok("session", "export", "auth", "-f", "html", "-o", "-").out.startswith("<!DOCTYPE html>")
    assert machine.ok("session", "export", "auth").out.startswith('{"format":"agentd-session","version":1')


def test_a_file_in_the_current_directory(machine: Machine) -> None:
    done = machine.ok("session", "export", "auth", "-f", "markdown", "-o", "notes.md")
    assert done.out.startswith("Exported to notes.md (")
    written = root_of(machine) / "notes.md"
    assert "# auth" in written.read_text() and "> Add a login" in written.read_text()
    assert written.stat().st_mode & 0o777 == 0o600
    again = machine.run("session", "export", "auth", "-f", "markdown", "-o", "notes.md")
    assert again.code != 0 and "exists already" in again.err
    machine.ok("session", "export", "auth", "-f", "html", "-o", "notes.md", "--force")
    assert written.read_text().startswith("<!DOCTYPE")
    told = machine.ok("session", "export", "auth", "-o", ".", "--json").json
    assert told["uri"].endswith("/auth.agentd") and told["bytes"] == os.stat(root_of(machine) / "auth.agentd").st_size


def test_redacted_it_says_what_was_removed(machine: Machine) -> None:
    done = machine.ok("session", "export", "auth", "-f", "json", "--redact")
    assert "sk-ant" not in done.out
    assert "[redacted: Anthropic key]" in json.dumps(done.json["turns"])
    assert "Anthropic key 1×" in done.err and str(root_of(machine)) not in done.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["nothing"], "Session 'nothing' not found"),
        (["auth", "-f", "pdf"], "'pdf' is not one of"),
        (["auth", "-o", "none/x.html"], "does not exist"),
        (["auth", "-o", ""], "--output needs"),
        (["auth", "-o", "-", "--json"], "cannot go with"),
        ([], "ID"),
    ],
)
def test_wrong_use(machine: Machine, given: list[str], words: str) -> None:
    done = machine.run("session", "export", *given)
    assert done.code != 0 and words in done.err and "Traceback" not in done.err


def test_what_is_too_large_for_an_answer_is_printed_all_the_same(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok")] * 20)
    (root_of(machine) / "tmp").mkdir()
    machine.variables["TMPDIR"] = str(root_of(machine) / "tmp")
    for _ in range(19):
        machine.ok("chat", "--session", "big", stdin="é" * 990_000)
    printed = machine.ok("session", "export", "big").out
    machine.ok("session", "export", "big", "-o", "big.agentd")
    assert len(printed.encode()) > 16 << 20
    assert printed == (root_of(machine) / "big.agentd").read_text()
    assert not list((root_of(machine) / "tmp").glob("agentd-export-*"))
