"""Which session is meant, and pages that stay right while sessions change between them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.lookup import find, page
from agentd.core.metadata import Metadata
from agentd.errors import AmbiguousSession, InvalidParams, SessionNotFound
from agentd.protocol import ListParams, Session

ONE = "1a2b3c4d-0000-4000-8000-000000000001"
TWO = "1a2b9999-0000-4000-8000-000000000002"
CHILD = f"{ONE}-reviewer-9f8e7d6c"


def session(session_id: str, name: str | None = None, **fields: Any) -> Metadata:
    return Metadata(id=session_id, created="2026", last_active="2026", name=name, **fields)


EVERY = [session(ONE, "parser"), session(TWO, "1a2b3c4d"), session(CHILD, "child", parent_id=ONE)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ONE, ONE),
        (CHILD, CHILD),
        (f"  {ONE}\n", ONE),
        ("parser", ONE),
        ("child", CHILD),
        ("1a2b3c4d", TWO),  # an exact name comes before an id's beginning
        ("1a2b3", ONE),
        ("1A2B3C4D-0", ONE),
        ("9f8e7d6c", CHILD),
        ("9F8E7D6C", CHILD),
    ],
)
def test_every_way_to_name_a_session(asked: str, found: str) -> None:
    assert find(asked, EVERY).id == found


@pytest.mark.parametrize("asked", ["", "  ", "1a2", "pars", "PARSER", "8e7d6c", f"{ONE}-rev", "x" * 100_000, "\udcff"])
def test_what_names_none(asked: str) -> None:
    with pytest.raises(SessionNotFound):
        find(asked, EVERY)


def test_an_ambiguous_name_or_beginning_names_the_candidates() -> None:
    with pytest.raises(AmbiguousSession) as caught:
        find("1a2b", EVERY)
    assert caught.value.details["candidates"] == [ONE, TWO]
    with pytest.raises(AmbiguousSession):
        find("same", [session(ONE, "same"), session(TWO, "same")])
    other = f"{TWO}-tests-9f8e7d6c"
    with pytest.raises(AmbiguousSession):
        find("9f8e7d6c", [*EVERY, session(other, parent_id=TWO)])


def test_an_id_comes_before_a_name_and_a_beginning_before_a_childs_end() -> None:
    assert find(ONE, [session(ONE), session(TWO, ONE)]).id == ONE
    top = session("9f8e7d6c-0000-4000-8000-000000000003")
    assert find("9f8e7d6c", [*EVERY, top]).id == top.id


times = st.integers(0, 5).map(lambda second: f"2026-11-21T08:30:0{second}.000Z")
names = st.one_of(st.none(), st.sampled_from(["a", "A", "b", "ß", "ss", "", "🎉"]))
sessions = st.dictionaries(
    st.integers(0, 12).map(lambda n: f"{n:08x}"),
    st.tuples(times, times, names),
    max_size=12,
).map(lambda found: {key: view(key, *fields) for key, fields in found.items()})
sorts = st.sampled_from(["lastActive", "created", "name"])


def view(session_id: str, created: str = "x", last_active: str = "x", name: str | None = None, **more: Any) -> Session:
    return Session(id=session_id, created=created, last_active=last_active, name=name, **more)


@settings(deadline=None)
@given(sessions, st.lists(sessions, max_size=6), sorts, st.integers(1, 4))
def test_no_session_that_stays_as_it_is_is_skipped_or_shown_twice(
    first: dict[str, Session], changes: list[dict[str, Session]], sort: Any, limit: int
) -> None:
    """Between two pages any session may come, go or change."""
    now = dict(first)
    steady = set(first)
    shown: list[str] = []
    cursor: str | None = None
    later = iter(changes)
    while True:
        got = page(now.values(), ListParams(sort=sort, limit=limit, cursor=cursor))
        assert len(got.sessions) <= limit
        assert got.total == len(now)
        shown += [one.id for one in got.sessions]
        cursor = got.next_cursor
        if cursor is None:
            break
        for session_id, changed in next(later, {}).items():
            if session_id in now and changed.name is None:
                del now[session_id]
            else:
                now[session_id] = changed
            steady.discard(session_id)
    assert sorted(one for one in shown if one in steady) == sorted(steady)


def test_the_order_of_each_sort() -> None:
    every = [
        view("a", "2026-01-01", "2026-01-03", "B"),
        view("b", "2026-01-02", "2026-01-02"),
        view("c", "2026-01-03", "2026-01-01", "a"),
    ]
    orders: list[tuple[Any, str]] = [("lastActive", "abc"), ("created", "cba"), ("name", "cab")]
    for sort, order in orders:
        assert "".join(one.id for one in page(every, ListParams(sort=sort)).sessions) == order


def forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("sort", ["lastActive", "created", "name"])
@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "é", "\udcff", "=" * 9, forged(5), forged(None), forged([]), forged({"name": 1}), forged(["name"])),
        *(forged([sort, *place]) for sort in ("lastActive", "name") for place in ([1, 2], [["a"], "x"], [True, 1, 2])),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        forged(["other", [-1], "x"]),
    ],
)
def test_a_cursor_that_no_list_answered_is_refused(cursor: str, sort: Any) -> None:
    with pytest.raises(InvalidParams):
        page([view("a"), view("b")], ListParams(cursor=cursor, sort=sort, limit=1))


@pytest.mark.parametrize("sort", ["created", "name"])
def test_a_cursor_of_another_order_is_refused(sort: Any) -> None:
    got = page([view("a"), view("b")], ListParams(limit=1))
    with pytest.raises(InvalidParams):
        page([view("a"), view("b")], ListParams(limit=1, cursor=got.next_cursor, sort=sort))


LISTED = [
    view("top1", name="Fix the parser", tags=("work",)),
    view("arch", status="archived", last_prompt="straße"),
    view("back", background=True, description="In the back"),
    view("kid1", parent_id="top1", name="parser tests"),
]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, {"top1", "back"}),
        ({"status": "all"}, {"top1", "arch", "back"}),
        ({"status": "archived"}, {"arch"}),
        ({"status": "background"}, {"back"}),
        ({"parent_id": "top1"}, {"kid1"}),
        ({"parent_id": "none"}, set()),
        ({"tag": "work"}, {"top1"}),
        ({"query": "PARSER"}, {"top1", "kid1"}),
        ({"query": "parser fix"}, {"top1"}),
        ({"query": "STRASSE", "status": "all"}, {"arch"}),
        ({"query": "  "}, {"top1", "back"}),
        ({"query": ""}, {"top1", "back"}),
        ({"query": "nothing"}, set()),
    ],
)
def test_what_a_list_holds(asked: dict[str, Any], ids: set[str]) -> None:
    got = page(LISTED, ListParams(**asked))
    assert {one.id for one in got.sessions} == ids
    assert (got.total, got.next_cursor) == (len(ids), None)
