"""Events: one envelope, encoded once; deltas that wait together become one, and nothing else does."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agentd.protocol import (
    EventParams,
    Item,
    ItemDelta,
    ItemEnded,
    ItemStarted,
    Notice,
    Published,
    Turn,
    TurnEvent,
    Usage,
)

ITEM = Item(id="1.2", kind="text", text="hi")
TURN = Turn(number=1, status="running", started="2026-11-21T08:30:00Z")


def published(event: Any, seq: int = 1, session_id: str | None = "s") -> Published:
    return Published(EventParams(seq=seq, session_id=session_id, event=event))


def delta(text: str, item_id: str = "1.2") -> ItemDelta:
    return ItemDelta(turn=1, item_id=item_id, text=text)


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (delta("a"), {"type": "item/delta", "turn": 1, "itemId": "1.2", "text": "a"}),
        (ItemStarted(turn=1, item=ITEM), {"type": "item/started", "turn": 1, "item": ITEM.dump()}),
        (ItemEnded(turn=1, item=ITEM), {"type": "item/ended", "turn": 1, "item": ITEM.dump()}),
        (TurnEvent(type="turn/ended", turn=TURN), {"type": "turn/ended", "turn": TURN.dump()}),
        (
            Notice(kind="saving", message="m", ok=False),
            {"type": "notice", "kind": "saving", "message": "m", "ok": False},
        ),
    ],
)
def test_an_event_on_the_wire_and_back(event: Any, wire: dict[str, Any]) -> None:
    message = json.loads(published(event).body)
    assert message == {
        "jsonrpc": "2.0",
        "method": "agentd/event",
        "params": {"seq": 1, "sessionId": "s", "event": wire},
    }
    assert EventParams.model_validate(message["params"]).event == event


def test_the_body_is_encoded_once() -> None:
    event = published(delta("a"))
    assert event.body is event.body


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(ValidationError):
        EventParams.model_validate({"seq": 1, "event": {"type": "turn/exploded"}})


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=6))
def test_deltas_that_wait_together_become_one(texts: list[str]) -> None:
    merged = published(delta(texts[0]))
    for number, text in enumerate(texts[1:], 2):
        joined = merged.merged(published(delta(text), seq=number))
        assert joined is not None
        merged = joined
    assert merged.params.seq == len(texts)
    event = json.loads(merged.body)["params"]["event"]
    assert event["text"] == "".join(texts)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (published(delta("a")), published(delta("b", "1.3"))),
        (published(delta("a")), published(delta("b"), session_id="t")),
        (published(delta("a")), published(ItemEnded(turn=1, item=ITEM))),
        (published(ItemStarted(turn=1, item=ITEM)), published(delta("a"))),
    ],
)
def test_other_events_are_never_merged(first: Published, second: Published) -> None:
    assert first.merged(second) is None


@settings(deadline=None)
@given(st.lists(st.builds(Usage, *[st.integers(0, 9)] * 0, input_tokens=st.integers(0, 9)), min_size=1, max_size=4))
def test_usage_adds_up(parts: list[Usage]) -> None:
    total = Usage()
    for part in parts:
        total = total.plus(part)
    assert total.input_tokens == sum(part.input_tokens for part in parts)
    assert total.cost is None
    assert Usage(cost=0.5).plus(Usage()).cost == 0.5
