"""What a person is told: damage, compaction, options by their own names, nothing that did not happen."""

import pytest

from agentd.cli.failing import in_options
from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        ("olderThanDays: no session is as old as that", "--days: no session is as old as that"),
        ("keepTurns: there is no turn before them", "--keep: there is no turn before them"),
        ("turn: 9 neither runs nor waits in this session", "Turn 9 neither runs nor waits in this session"),
        ("turn: nothing runs in this session", "Nothing runs in this session"),
        ("There is nothing to retry: it was answered", "There is nothing to retry: it was answered"),
    ],
)
def test_options_are_called_as_they_are_typed(wire: str, told: str) -> None:
    assert in_options(wire) == told


def test_clear_says_when_nothing_changes(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    machine.ok("chat", "--session", "work", "Begin")
    assert "Nothing to clear: session 'work' has 1 turn" in machine.ok("session", "clear", "work", "--keep", "99").out
    assert machine.ok("session", "clear", "work", "--keep", "99", "--json").json["session"]["name"] == "work"
    assert "Cleared session 'work'" in machine.ok("session", "clear", "work").out


def test_a_compaction_says_which_turns_it_stands_for(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two"), say("What was said.")])
    machine.ok("chat", "--session", "work", "Begin")
    machine.ok("chat", "--session", "work", "Go on")
    machine.ok("session", "compact", "work")
    assert "two" in machine.ok("session", "show", "work", "--turn", "2").out
    machine.ok("stop")
    shown = machine.ok("session", "show", "work", "--turn", "3")
    assert "Turns 1 to 2, summarised" in shown.err
    assert "What was said." in shown.out
    assert "Turns 1 to 2, summarised" in machine.ok("session", "export", "work", "-f", "markdown").out
    assert "Turns 1 to 2, summarised" in machine.ok("session", "export", "work", "-f", "html").out


def test_damage_is_told(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two"), say("three")])
    machine.ok("chat", "--session", "work", "Begin")
    machine.ok("chat", "--session", "work", "Go on")
    short = machine.first_session()["id"][:8]
    machine.ok("stop")
    (transcript,) = machine.home.data.glob("projects/*/sessions/*/transcript.jsonl")
    lines = transcript.read_bytes().splitlines(keepends=True)
    lines[1] = b"{not JSON\n"
    transcript.write_bytes(b"".join(lines))
    for arguments in (["session", "show", short, "--turn", "2"], ["session", "export", short], ["resume", short, "On"]):
        assert f"Session '{short}': " in machine.ok(*arguments).err, arguments
        machine.ok("stop")


def test_import_of_what_is_not_there(bare: Machine) -> None:
    done = bare.run("session", "import", "nofile")
    assert (done.code, done.out) == (2, "")
    assert "There is no file 'nofile'" in done.err


def test_help_is_a_command(bare: Machine) -> None:
    assert bare.ok("help").out == bare.ok("--help").out
    assert "rename" in bare.ok("help", "session").out


def test_resuming_what_is_not_there_says_only_that(bare: Machine) -> None:
    with bare.terminal("resume", "zzz") as terminal:
        assert terminal.ends() == 2
        assert terminal.seen.startswith("Error: Session 'zzz' not found")
