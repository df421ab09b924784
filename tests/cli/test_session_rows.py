"""Documents, events, background turns, profiles: the smaller commands of a session."""

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Reply, Text, Wait, say


def test_documents(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    machine.ok("session", "new", "work")
    assert "No documents yet" in machine.ok("session", "documents", "work").err
    path = machine.ok("session", "documents", "work", "new", "plan", stdin="# The plan\n").out.strip()
    assert path.startswith(str(machine.home.root.resolve()))
    assert machine.ok("session", "documents", "work").out.split()[:3] == ["plan.md", "11", "B"]
    assert machine.ok("session", "documents", "work", "print", "plan").out == "# The plan\n"
    machine.variables = {"EDITOR": "sed -i s/The/Our/"}
    machine.ok("session", "documents", "work", "open", "plan.md")
    assert machine.ok("session", "documents", "work", "print", "plan").out == "# Our plan\n"
    assert machine.ok("session", "list", "--json").json["sessions"][0]["fileCount"] == 1
    again = machine.run("session", "documents", "work", "new", "plan", stdin="x")
    assert again.code != 0
    assert machine.ok("session", "documents", "work", "print", "plan").out == "# Our plan\n"
    assert "has no document 'other'" in machine.run("session", "documents", "work", "open", "other").err
    for wrong in (["nonsense"], ["new"], ["open"], ["new", "../up"]):
        assert machine.run("session", "documents", "work", *wrong).code == 2, wrong
    machine.variables = {"EDITOR": "no-such-editor"}
    failed = machine.run("session", "documents", "work", "open", "plan")
    assert failed.code == 1
    assert "The document is " in failed.err


def test_events(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    machine.ok("chat", "--session", "work", "Do it")
    lines = machine.ok("session", "events", "work").out.splitlines()
    assert any("turn/ended" in line and 'status="completed"' in line for line in lines)
    events = machine.ok("session", "events", "work", "--json").json["events"]
    assert machine.ok("session", "events", "work", "--limit", "1", "--json").json["events"] == events[-1:]
    first = events[0]["seq"]
    following = machine.ok("session", "events", "work", "--after", str(first), "--limit", "1", "--json").json["events"]
    assert following == events[1:2]


def test_a_background_turn(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("two")])
    machine.ok("chat", "--background", "--session", "long", "Take your time")
    gate.reached.wait_in_thread(30)
    assert "running" in machine.ok("session", "background").out
    busy = machine.run("session", "delete", "long", "--confirm")
    assert busy.code == 1
    assert "interrupted" in machine.ok("session", "interrupt", "long").out
    assert machine.run("session", "interrupt", "long").code == 2
    assert "interrupted" in machine.ok("session", "background").out
    assert "Seen: session 'long'" in machine.ok("session", "seen", "long").out
    assert "No background sessions" in machine.ok("session", "background").err
    assert machine.run("session", "detach", "long").code != 0


def test_profiles(make_machine: MakeMachine) -> None:
    machine = make_machine(lambda _body: say("Done."))
    assert "No profiles yet" in machine.ok("profile", "list").err
    agents = machine.home.config / "agents"
    agents.mkdir(parents=True)
    (agents / "reviewer.md").write_text("---\ndescription: Reads code\nmode: plan\n---\nYou review code.\n")
    assert "reviewer  Reads code  (plan)" in machine.ok("profiles").out
    machine.ok("chat", "--agent", "reviewer", "--session", "work", "Look at it")
    assert "reviewer" in machine.ok("session", "list").out
    assert "Profile: reviewer" in machine.ok("session", "show", "work").out
    for command in (["chat", "--profile", "nope", "hello"], ["session", "new", "x", "--profile", "nope"],
                    ["session", "update", "work", "--profile", "nope"]):  # fmt: skip
        done = machine.run(*command)
        assert done.code != 0
        assert "reviewer" in done.err, done


def test_names_that_are_taken_are_told(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    machine.ok("session", "new", "work")
    done = machine.ok("session", "fork", "work", "0", "work")
    assert "Another session is called 'work' as well" in done.err
    ambiguous = machine.run("session", "show", "work")
    assert ambiguous.code == 2
    assert "is ambiguous" in ambiguous.err


def test_a_model_without_a_name(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    for command in (["chat", "--model", "", "hello"], ["session", "new", "x", "--model", ""]):
        done = machine.run(*command)
        assert done.code == 2
        assert "--model" in done.err


NAMED = ("show", "rename", "tag", "describe", "archive", "restore", "clear", "compact", "fork", "events", "documents",
         "seen", "detach", "interrupt", "blob", "delete", "update")  # fmt: skip


@pytest.mark.parametrize("command", NAMED)
def test_a_command_without_its_session(bare: Machine, command: str) -> None:
    done = bare.run("session", command)
    assert done.code == 2
    assert "Missing argument" in done.err
    assert f"agentd session {command} --help" in done.err
