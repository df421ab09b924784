"""The list of sessions fits the terminal, and shows of each what a person looks for."""

import unicodedata
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentd.cli.rows import Row, age, row_of, short_id
from agentd.cli.table import cells, fitted, listed
from agentd.errors import AmbiguousSession
from agentd.protocol import Session

NOW = "2026-11-21T10:00:00.000Z"
ID = "8a3f2b1c-1111-4222-8333-444455556666"


def test_a_row_is_a_part_of_the_wires_session() -> None:
    known = Session.model_fields
    assert {field.name for field in fields(Row)} <= set(known)
    session = Session(id=ID, created=NOW, last_active=NOW, name="x", message_count=3, tags=("a",))
    row = row_of(session.dump())
    assert (row.id, row.name, row.message_count, row.last_active) == (ID, "x", 3, NOW)


def test_defaults_are_the_wires() -> None:
    session = Session(id=ID, created=NOW, last_active=NOW)
    bare = Row(id=ID, created=NOW, last_active=NOW)
    for field in fields(Row):
        assert getattr(session, field.name) == getattr(bare, field.name), field.name


ROWS = st.builds(
    Row,
    id=st.just(ID),
    created=st.just(NOW),
    last_active=st.just(NOW),
    name=st.none() | st.text(min_size=1, max_size=60),
    last_prompt=st.none() | st.text(max_size=200),
    profile=st.none() | st.text(min_size=1, max_size=30),
    message_count=st.integers(0, 10**6),
    file_count=st.integers(0, 10**4),
    state=st.sampled_from(["idle", "running", "waiting", "queued"]),
    unseen=st.booleans(),
)


@example([Row(id=ID, unseen=True, last_active=NOW), Row(id=ID, last_active=NOW, name="x" * 14)], 60)
@given(st.lists(ROWS, max_size=5), st.integers(30, 200))
def test_no_line_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    for line in listed(rows, width):
        assert cells(line) <= width
        assert not any(unicodedata.category(letter) == "Cc" for letter in line)


def test_columns_of_a_wide_terminal() -> None:
    rows = [Row(id=ID, created=NOW, last_active=NOW, name="Auth", message_count=5, file_count=3, last_prompt="Add it")]
    head, line = listed(rows, 100)
    assert head.split("  ")[0] == "ID"
    assert [title for title in ("Name", "Active", "Messages", "Files", "Last Prompt") if title in head]
    assert "Profile" not in head
    assert "8a3f2b1c" in line
    assert line.endswith('"Add it"')


def test_a_profile_is_shown_where_there_is_one() -> None:
    rows = [Row(id=ID, created=NOW, last_active=NOW, profile="reviewer")]
    assert "Profile" in listed(rows, 120)[0]


def test_without_a_terminal_nothing_is_cut() -> None:
    rows = [Row(id=ID, created=NOW, last_active=NOW, last_prompt="word " * 100)]
    assert ("word " * 100).strip() in listed(rows, None)[1]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "just now"), (30, "30s ago"), (90, "1m ago"), (7200, "2h ago"), (86400 * 3, "3d ago"), (86400 * 21, "3w ago"),
     (86400 * 400, "2025-")],
)  # fmt: skip
def test_ages(seconds: int, shown: str) -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert age((now - timedelta(seconds=seconds)).isoformat(), now).startswith(shown)


def test_a_damaged_time_is_shown_as_it_is() -> None:
    assert age("yesterday") == "yesterday"


def test_short_ids() -> None:
    assert short_id(ID) == "8a3f2b1c"
    assert short_id(f"{ID}-reviewer-0011aabb") == "0011aabb"


def test_wide_characters_take_two_columns() -> None:
    assert fitted("日本語のテキスト", 7) == "日本語…"


def test_in_a_pipe_nothing_is_cut() -> None:
    row = Row(id=ID, name="a name " * 20 + "end", tags=("x" * 60,), profile="p" * 40, root="/r" * 40, last_active=NOW)
    shown = "\n".join(listed([row], None))
    for text in (row.name, row.tags[0], row.profile, row.root):
        assert text is not None
        assert text in shown


def test_sub_sessions_are_told_apart_by_their_ends() -> None:
    told = AmbiguousSession("x", [f"{ID}-reviewer-{end}" for end in ("aaaaaaaa", "bbbbbbbb")]).message
    assert "2 sessions match (aaaaaaaa, bbbbbbbb)." in told
