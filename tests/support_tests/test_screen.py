"""The strict editor is strict: each thing that no daemon may send is told."""

from typing import Any

import pytest

from tests.support.matching import mismatch
from tests.support.scenario import filled
from tests.support.screen import Screen

S = "5d1f0000-0000-4000-8000-000000000000"
SESSION = {"id": S, "state": "idle"}


def turn(status: str, *texts: str) -> dict[str, Any]:
    items = [{"id": "1.1", "kind": "prompt", "text": "Hi"}]
    items += [{"id": f"1.{n}", "kind": "text", "text": text} for n, text in enumerate(texts, 2)]
    ended = {} if status in ("running", "queued") else {"ended": "2026-01-01T00:00:00.000Z"}
    return {"number": 1, "status": status, "items": items, **ended}


def started(text: str = "") -> dict[str, Any]:
    return {"type": "item/started", "turn": 1, "item": {"id": "1.2", "kind": "text", "text": text}}


def delta(text: str, item: str = "1.2") -> dict[str, Any]:
    return {"type": "item/delta", "turn": 1, "itemId": item, "text": text}


def ended(text: str) -> dict[str, Any]:
    return {"type": "item/ended", "turn": 1, "item": {"id": "1.2", "kind": "text", "text": text}}


TURN_STARTED = {"type": "turn/started", "turn": turn("running")}
TURN_ENDED = {"type": "turn/ended", "turn": turn("completed", "Hello")}
WHOLE = [TURN_STARTED, started(), delta("Hel"), delta("lo"), ended("Hello"), TURN_ENDED]


def problems(*events: dict[str, Any], seqs: list[int] | None = None, subscribed: bool = True) -> list[str]:
    screen = Screen()
    if subscribed:
        screen.answered("agentd/session/resume", {}, {"session": SESSION, "turns": [], "seq": 0})
    for seq, event in zip(seqs or range(1, len(events) + 1), events, strict=True):
        screen.event({"seq": seq, "sessionId": S, "event": event})
    return screen.problems


def test_a_whole_turn_is_fine_and_shown() -> None:
    assert problems(*WHOLE) == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([*WHOLE, delta("more")], "which is completed"),
        ([TURN_STARTED, delta("x")], "a delta for 1.2"),
        ([TURN_STARTED, started(), delta("")], "a delta for 1.2"),
        ([TURN_STARTED, started(), delta("x", "1.3")], "a delta for 1.3"),
        ([TURN_STARTED, started(), delta("Hel"), ended("Hello")], "join to 'Hel'"),
        ([TURN_STARTED, ended("Hello")], "never started"),
        ([TURN_STARTED, started(), started()], "starts after"),
        ([TURN_STARTED, started(), delta("Hello"), TURN_ENDED], "are open"),
        ([TURN_STARTED, started(), delta("Hell"), ended("Hell"), TURN_ENDED], "shows"),
        ([*WHOLE, TURN_ENDED], "ends twice"),
        ([*WHOLE, TURN_STARTED], "starts, and was completed"),
        ([{"type": "turn/started", "turn": turn("queued")}], "a turn starts as"),
        ([{"type": "turn/ended", "turn": turn("running")}], "a turn ends as"),
        ([{"type": "session/changed", "session": {"id": "other"}}], "speaks of other"),
        ([{"type": "hologram"}], "unknown type"),
    ],
)
def test_what_no_daemon_may_send_is_told(events: list[dict[str, Any]], words: str) -> None:
    assert any(words in problem for problem in problems(*events)), problems(*events)


def test_a_seq_rises() -> None:
    assert "has seq 2, after 2" in problems(*WHOLE[:3], seqs=[1, 2, 2])[0]


def test_events_of_a_session_that_was_not_opened_or_was_left_are_told() -> None:
    assert "does not listen" in problems(TURN_STARTED, subscribed=False)[0]
    screen = Screen()
    screen.answered("agentd/session/resume", {}, {"session": SESSION, "turns": [], "seq": 0})
    screen.answered("agentd/session/leave", {"sessionId": S[:8]}, {})
    screen.event({"seq": 1, "sessionId": S, "event": TURN_STARTED})
    assert "does not listen" in screen.problems[0]


def test_a_page_that_says_otherwise_than_the_screen_is_told() -> None:
    screen = Screen()
    screen.answered("agentd/session/resume", {}, {"session": SESSION, "turns": [turn("completed", "a")], "seq": 0})
    screen.answered("agentd/session/resume", {}, {"session": SESSION, "turns": [turn("completed", "b")], "seq": 1})
    assert "in a page it is" in screen.problems[0]


def test_matching_by_a_part() -> None:
    actual = {"a": 1, "b": {"c": ["Hello there"]}, "d": True}
    assert mismatch({"b": {"c": ["~hello"]}, "a": "*", "x": "-"}, actual) is None
    assert mismatch({"a": 2}, actual) == "a is 1, should be 2"
    assert mismatch({"d": 1}, actual) == "d is True, should be 1"
    assert mismatch({"b": {"c": []}}, actual) is not None
    assert mismatch({"x": "*"}, actual) is not None
    assert mismatch({"a": "-"}, actual) == "a is 1, and should be absent"


def test_names_are_filled_in() -> None:
    kept = {"s": "0123456789", "n": {"deep": 1}}
    assert filled({"${s:4}": ["$n", "<${s}>", "${ü*3}", "$5"]}, kept) == {
        "0123": [{"deep": 1}, "<0123456789>", "üüü", "$5"]
    }
