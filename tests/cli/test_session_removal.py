"""``agentd session delete | cleanup``: they say first what would go, and ask."""

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """``work`` of one turn, an empty ``plans``, and an unnamed one without a turn."""
    machine = make_machine(lambda _body: say("Done."))
    machine.ok("chat", "--session", "work", "Do it")
    machine.ok("session", "new", "plans")
    machine.ok("session", "new")
    return machine


def total(machine: Machine) -> int:
    count: int = machine.ok("session", "list", "--json").json["total"]
    return count


def test_outside_a_terminal_it_must_be_confirmed(machine: Machine) -> None:
    done = machine.run("session", "delete", "work", "plans")
    assert done.code == 2
    assert "2 sessions would go for good, which frees " in done.out
    assert "needs --confirm" in done.err
    assert total(machine) == 3
    dry = machine.ok("session", "delete", "work", "work", "--dry-run", "--json").json
    assert len(dry["deleted"]) == 1
    assert dry["bytes"] > 0
    assert total(machine) == 3
    assert "Deleted 2 sessions" in machine.ok("session", "delete", "work", "plans", "--confirm").out
    assert total(machine) == 1


@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 3), ("", 3)])
def test_in_a_terminal_it_asks(machine: Machine, answer: str, left: int) -> None:
    with machine.terminal("session", "delete", "work") as terminal:
        terminal.sees("1 session would go for good")
        terminal.sees(r"Delete it for good\? \[y/N\]")
        terminal.enters(answer)
        assert terminal.ends() == 0
        assert ("Deleted 1 session" if left == 2 else "Nothing was deleted") in terminal.seen
    assert total(machine) == left


def test_of_several_nothing_goes_when_one_is_not_there(machine: Machine) -> None:
    done = machine.run("session", "delete", "work", "nothing", "--confirm")
    assert done.code == 2
    assert "Session 'nothing' not found" in done.err
    assert total(machine) == 3


def test_cleanup(machine: Machine) -> None:
    assert "Nothing to delete" in machine.ok("session", "cleanup", "--dry-run").err
    assert "1 session would go" in machine.ok("session", "cleanup", "--empty", "--dry-run").out
    assert "2 sessions would go" in machine.ok("session", "cleanup", "--empty", "--named", "--dry-run").out
    assert machine.run("session", "cleanup", "--empty").code == 2
    assert total(machine) == 3
    done = machine.ok("session", "cleanup", "--empty", "--confirm", "--json").json
    assert (done["dryRun"], len(done["sessions"])) == (False, 1)
    with machine.terminal("session", "cleanup", "--days", "0", "--named") as terminal:
        terminal.sees(r"Delete these 2 for good\? \[y/N\]")
        terminal.enters("yes")
        assert terminal.ends() == 0
    assert total(machine) == 0


@pytest.mark.parametrize("arguments", [["delete"], ["delete", ""], ["delete", "x"], ["cleanup", "--days", "-1"],
                                       ["cleanup", "--days", "soon"], ["cleanup", "everything"]])  # fmt: skip
def test_wrong_use(bare: Machine, arguments: list[str]) -> None:
    done = bare.run("session", *arguments)
    assert done.code == 2
    assert done.err.startswith("Error: ")
