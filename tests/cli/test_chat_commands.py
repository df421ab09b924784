"""The chat's commands for what is around the conversation: tags, documents, deletion, background, profiles."""

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.test_interactive import AT_ANY, at_prompt, chatting, leave
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Reply, Text, Wait, say


def test_what_is_noted_about_a_session(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    machine.ok("session", "new", "work")
    with chatting(machine, "--session", "work", prompt="work") as terminal:
        terminal.enters("/tag +parser perf")
        terminal.sees("#parser #perf")
        terminal.enters("/tag -perf")
        terminal.sees("#parser\n")
        terminal.enters("/describe About the parser")
        terminal.sees("About the parser\n.*About the parser")
        terminal.enters("/documents new plan")
        terminal.sees(r"plan\.md")
        terminal.enters("/documents")
        terminal.sees(r"plan\.md +0 B")
        terminal.enters("/documents open other")
        terminal.sees("has no document 'other'")
        terminal.enters("/status")
        shown = terminal.sees("Tags: #parser")
        assert "   Session ID: work\n   Messages: 0\n   Created: " in shown
        terminal.enters("/fork 0 work")
        terminal.sees("A session named 'work' exists")
        terminal.enters("/fork abc")
        terminal.sees("TURN must be a number, not 'abc'")
        terminal.enters("/search config --limit 1")
        terminal.sees("'config'")
        assert "--limit 1'" not in terminal.seen
        terminal.enters("/search config --nonsense")
        terminal.sees("/search has no option --nonsense")
        leave(terminal, "work")


def test_delete_asks(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    for name in ("work", "other"):
        machine.ok("session", "new", name)
    with chatting(machine, "--session", "work", prompt="work") as terminal:
        terminal.enters("/delete other")
        terminal.sees(r"Delete 'other' \(0 messages, .*\) for good\? \[y/N\]")
        terminal.presses("C")
        terminal.sees("Nothing was deleted")
        at_prompt(terminal, "work")
        terminal.enters("/delete")
        terminal.sees(r"Delete 'work'.*\[y/N\]")
        terminal.enters("y")
        terminal.sees("Deleted 'work'")
        at_prompt(terminal, "new")
        leave(terminal)
        assert "elsewhere" not in terminal.seen
    assert [session["name"] for session in machine.ok("session", "list", "--json").json["sessions"]] == ["other"]


def test_a_background_turn_of_the_chat(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("A name"), say("two")])
    with chatting(machine, "--session", "long", prompt="long") as terminal:
        terminal.enters("/background")
        terminal.sees("No turn is running here")
        terminal.enters("/background Take your time")
        terminal.sees("Turn 1 runs in the background")
        at_prompt(terminal, "long")
        gate.open()
        terminal.sees("Turn 1 in the background has ended")
        assert "Half of" not in terminal.seen
        leave(terminal, "long")


def test_another_sessions_background_turn_is_told_when_it_ends(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),))])
    with chatting(machine) as terminal:
        machine.ok("chat", "--background", "--session", "long", "Take your time")
        gate.open()
        terminal.sees("The background turn in 'long' has ended: /resume [0-9a-f]{8}")
        leave(terminal, "new")


def test_compaction_is_shown_as_it_is_written(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("What was said so far."), say("two")])
    machine.ok("chat", "--session", "work", "Begin")
    with chatting(machine, "--session", "work", prompt="work") as terminal:
        terminal.enters("/compact")
        terminal.sees("A summary is being written of the turns through 1")
        terminal.sees("What was said so far")
        terminal.sees("The summary stands in for the earlier turns")
        assert "elsewhere" not in terminal.seen
        leave(terminal, "work")
    assert "Turn 1, summarised" in machine.ok("session", "show", "work", "--turn", "2").err


def test_a_profile_is_taken(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("A name")])
    agents = machine.home.config / "agents"
    agents.mkdir(parents=True)
    (agents / "reviewer.md").write_text("---\ndescription: Reads code\n---\nYou review code.\n")
    with chatting(machine) as terminal:
        terminal.enters("/profile")
        terminal.sees("reviewer  Reads code")
        terminal.enters("/profile nope")
        terminal.sees("No such profile: 'nope'.*Known: reviewer")
        terminal.enters("/profile reviewer")
        terminal.sees("Profile: reviewer")
        terminal.enters("Look at it")
        terminal.sees("one")
        terminal.sees(AT_ANY)
        leave(terminal)
    assert machine.first_session()["profile"] == "reviewer"


@pytest.mark.parametrize("columns", [40, 80])
def test_help_breaks_no_word(make_machine: MakeMachine, columns: int) -> None:
    with make_machine([]).terminal(size=(columns, 60)) as terminal:
        at_prompt(terminal, "new")
        terminal.enters("/help")
        shown = terminal.sees("brings a file along|a file along|file along")
        leave(terminal, "new")
    assert max(len(line) for line in shown.splitlines()) <= columns
