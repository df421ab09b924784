"""What ``agentd session list`` and its neighbours show of many sessions."""

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import Http, say


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """With sessions without a turn: nothing but a name and tags."""
    machine = make_machine(lambda _body: say("Done."))
    for name in ("beta", "alpha", "日本語のセッション名はとても長い"):
        machine.ok("session", "new", name)
    machine.ok("session", "tag", "alpha", "+perf", "parser")
    return machine


def names(machine: Machine, *arguments: str) -> list[str]:
    found = machine.ok("session", "list", *arguments, "--json").json["sessions"]
    return [session["name"] for session in found]


def test_order_and_tags(machine: Machine) -> None:
    assert names(machine, "--sort", "name")[:2] == ["alpha", "beta"]
    assert names(machine, "--sort", "created")[1:] == ["alpha", "beta"]
    assert names(machine, "--tag", "perf") == ["alpha"]
    assert "#perf #parser" in machine.ok("session", "list").out
    assert "No session has the tag 'none'" in machine.ok("session", "list", "--tag", "none").err
    created = machine.ok("session", "show", "beta", "--json").json["session"]["created"]
    assert created[:4] in machine.ok("session", "list", "--sort", "created").out


def test_tags_are_added_and_removed(machine: Machine) -> None:
    assert machine.ok("session", "tag", "alpha").out == "#perf #parser\n"
    assert machine.ok("session", "tag", "alpha", "-perf", "+new", "new").out == "Session 'alpha': #parser #new\n"
    assert machine.ok("session", "tag", "beta").out == "no tags\n"
    assert machine.run("session", "tag", "alpha", "+").code == 2
    assert machine.ok("session", "describe", "alpha", "About", "parsing").out == "Session 'alpha': About parsing\n"
    assert "Description: About parsing" in machine.ok("session", "show", "alpha").out


def test_a_list_says_how_many_there_are(machine: Machine) -> None:
    machine.make_sessions(20)
    shown = machine.ok("session", "list")
    assert len(shown.out.splitlines()) == 21
    assert "20 of 23" in shown.err
    everything = machine.ok("session", "list", "--all")
    assert len(everything.out.splitlines()) == 24
    assert everything.err == ""
    assert len(machine.ok("session", "list", "--limit", "99999999999").out.splitlines()) == 24


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_it_fits_the_terminal(machine: Machine, columns: int) -> None:
    machine.ok("session", "fork", "alpha", "0", "A fork with quite a long name of its own")
    with machine.terminal("session", "list", size=(columns, 50)) as terminal:
        terminal.ends()
        shown = terminal.replayed((columns, 50))
    assert any("alpha" in line for line in shown)
    assert any("日本語" in line for line in shown)
    assert any("fork" in line for line in shown)


def test_colours_only_where_they_are_wanted(machine: Machine) -> None:
    assert "\x1b" not in machine.ok("session", "list").out
    machine.variables = {"NO_COLOR": "1"}
    with machine.terminal("session", "list") as terminal:
        terminal.ends()
        assert "\x1b[36m" not in terminal.raw


def test_how_the_last_turn_ended(make_machine: MakeMachine) -> None:
    machine = make_machine([Http(401), say("one")])
    refused = machine.run("chat", "--session", "broken", "Do it")
    assert refused.code == 1
    assert "from ANTHROPIC_API_KEY: set another one there" in refused.err
    assert " failed " in machine.ok("session", "list").out
    short = machine.first_session()["id"][:8]
    assert f"Last Turn: failed — agentd session retry {short}" in machine.ok("session", "show", "broken").out
    machine.ok("session", "retry", "broken")
    assert "failed" not in machine.ok("session", "list").out
    assert "Last Turn" not in machine.ok("session", "show", "broken").out


def test_one_turn_is_shown(make_machine: MakeMachine) -> None:
    machine = make_machine([say("First answer."), say("Second answer.")])
    machine.ok("chat", "--session", "work", "First question")
    machine.ok("chat", "--session", "work", "Second question")
    shown = machine.ok("session", "show", "work", "--turn", "1").out
    assert "First question" in shown
    assert "First answer." in shown
    assert "Second" not in shown
    assert machine.ok("session", "show", "work", "--turn", "2", "--json").json["turn"]["number"] == 2
    done = machine.run("session", "show", "work", "--turn", "3")
    assert done.code == 2
    assert "has no turn 3" in done.err
    assert "The last one that has ended is 2" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["--sort", "size"], ["--status", "gone"], ["--limit", "0"], ["--limit", "many"], ["--archived", "--status", "all"],
     ["extra"], ["--nonsense"]],
)  # fmt: skip
def test_wrong_use(bare: Machine, arguments: list[str]) -> None:
    done = bare.run("session", "list", *arguments)
    assert done.code == 2
    assert done.err.startswith("Error: ")
    assert len(done.err.splitlines()) <= 2


def test_sub_sessions_are_a_tree(machine: Machine) -> None:
    agents = machine.home.config / "agents"
    agents.mkdir(parents=True)
    (agents / "reviewer.md").write_text("---\ndescription: Reads code\n---\nYou review code.\n")
    for name in ("first", "second"):
        machine.ok("session", "new", name, "--parent", "alpha", "--profile", "reviewer")
    machine.ok("session", "new", "deeper", "--parent", "first", "--profile", "reviewer")
    assert "first" not in machine.ok("session", "list").out
    lines = [
        line for line in machine.ok("session", "list", "--tree", "--sort", "name").out.splitlines() if "review" in line
    ]
    assert [line[:3] for line in lines] == ["├─ ", "│  ", "└─ "]
    assert "└─ " in lines[1]
    assert [name for line in lines for name in ("first", "deeper", "second") if name in line] == [
        "first", "deeper", "second",
    ]  # fmt: skip
    assert sorted(names(machine, "--parent", "alpha")) == ["first", "second"]
    assert "It has no sub-sessions" in machine.ok("session", "list", "--parent", "beta").err
    assert machine.run("session", "list", "--parent", "nobody").code == 2
    with machine.terminal("session", "list", "--tree", size=(40, 60)) as terminal:
        terminal.ends()
        assert any(line.startswith("├─ ") for line in terminal.replayed((40, 60)))


def test_a_closed_output_ends_a_list_in_silence(machine: Machine) -> None:
    with machine.started("session", "list", "--all") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.wait(30)
        assert process.stderr.read() == ""
