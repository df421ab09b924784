"""``agentd search``: where something was said, the match marked, and the turn opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.cli.output import clean
from agentd.cli.session_search import found, marked
from agentd.cli.table import cells

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
