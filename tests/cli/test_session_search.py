"""``agentd search``: where something was said, the match marked, and the turn opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.cli.output import clean
from agentd.cli.session_search import found, marked
from agentd.cli.table import cells
from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.messages_api.script import say

HIT = {
    "session": {"id": "8a3f2b1c-1111-4222-8333-444455556666", "created": "2026-11-21T10:00:00Z",
                "lastActive": "2026-11-21T10:00:00Z", "name": "Auth", "messageCount": 4},
    "turn": 3, "kind": "text", "snippet": "the function parseConfig reads it", "marks": [[13, 24]],
}  # fmt: skip


def test_places_stand_under_their_session() -> None:
    lines = found([HIT, {**HIT, "turn": 0, "kind": "name", "snippet": "Auth", "marks": [[0, 4]]}], None)
    assert lines[0].startswith("8a3f2b1c  Auth  ")
    assert lines[1:] == ["  turn 3 reply: the function parseConfig reads it", "  name: Auth"]


@given(st.text(max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=4),
       st.integers(20, 120))  # fmt: skip
def test_a_snippet_fits_and_drives_no_terminal(text: str, marks: list[tuple[int, int]], room: int) -> None:
    shown = marked(text, marks, room)
    assert cells(shown) <= room
    assert "\n" not in shown
    assert clean(shown) == shown


@pytest.mark.parametrize("room", [20, 40])
def test_what_was_found_is_seen_where_it_is_cut(room: int) -> None:
    text = "word " * 30 + "needle" + " more" * 30
    assert "needle" in marked(text, [(150, 156)], room)
    wide = "文字" * 40 + "needle"
    assert "needle" in marked(wide, [(80, 86)], room)


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """Two sessions: what is looked for is in a reply of one, and in a prompt of the other."""
    machine = make_machine([say("Call parseConfig first."), say("Done."), say("Yes."), say("No.")])
    machine.ok("chat", "--session", "work", "How do I read it?")
    machine.ok("chat", "--session", "work", "Thanks")
    machine.ok("chat", "--session", "other", "Why does config fail?")
    return machine


def test_search(machine: Machine) -> None:
    done = machine.ok("search", "config")
    assert "  turn 1 reply: Call parseConfig first." in done.out
    assert "  turn 1 you: Why does config fail?" in done.out
    assert done.out.index("other") < done.out.index("work")
    assert machine.ok("session", "search", "config").out.count("  turn 1 ") == 2
    hits = machine.ok("search", "config", "--json").json["hits"]
    assert [(hit["session"]["name"], hit["turn"]) for hit in hits] == [("other", 1), ("work", 1)]
    begin, end = hits[1]["marks"][0]
    assert hits[1]["snippet"][begin:end].casefold() in ("config", "parseconfig")
    command = done.err.splitlines()[-1].removeprefix("Open it: agentd ").split()
    assert "Why does config fail?" in machine.ok(*command).out
    with machine.terminal("search", "config", size=(40, 24)) as terminal:
        terminal.ends()
        assert "\x1b[1;33m" in terminal.raw
        assert any("onfig" in line for line in terminal.replayed((40, 24)))


def test_what_is_not_found(machine: Machine) -> None:
    done = machine.ok("search", "nowhere", "to", "be", "seen")
    assert done.out == ""
    assert "Nothing is found for 'nowhere to be seen'" in done.err
    assert machine.ok("search", "config", "--limit", "1", "--json").json["nextCursor"]
    assert "There are more" in machine.ok("search", "config", "--limit", "1").err
    assert "other" in machine.ok("search", "config", "--everywhere").out


@pytest.mark.parametrize("arguments", [[], [""], ["  "], ["x", "--limit", "0"], ["x", "--limit", "999"],
                                       ["x", "--status", "gone"]])  # fmt: skip
def test_wrong_use(bare: Machine, arguments: list[str]) -> None:
    for command in (["search"], ["session", "search"]):
        done = bare.run(*command, *arguments)
        assert done.code == 2
        assert done.err.startswith("Error: ")


def test_statistics(machine: Machine) -> None:
    shown = machine.ok("session", "stats")
    for words in ("Sessions: 2", "Turns: 3", "Messages: 3 yours, 3 the model's", "Model ", "Day "):
        assert words in shown.out
    assert "Prices as of " in shown.err
    assert "Turns: 2\n" in machine.ok("session", "stats", "work").out
    assert machine.ok("session", "stats", "work", "--json").json["turns"] == 2
    assert machine.run("session", "stats", "nobody").code == 2
