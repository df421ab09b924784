"""The running turn: what was streamed is what is kept, to the character, whatever comes and whenever it ends."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.exchange import BlockDelta, BlockEnded, BlockStarted, ModelEvent, Stopped, TokensUsed
from agentd.core.live import Change, Ended, Grew, LiveTurn, Started
from agentd.protocol import Item, ItemDelta, Turn, Usage
from agentd.protocol.base import DEEPEST

PROMPT = Item(id="3.1", kind="prompt", text="Go")
kinds = st.sampled_from(["text", "thinking", "redacted", "tool", "image", ""])
pieces = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["", "\ud83d", "\ude00", "a\ud83d", "\ude00b", "🎉", '{"a":', "1}", "\ud83d\ud83d"]),
)
strings = st.one_of(st.none(), pieces)
events: st.SearchStrategy[ModelEvent] = st.one_of(
    st.builds(BlockStarted, kinds, strings, strings, strings),
    st.builds(BlockDelta, pieces),
    st.builds(BlockDelta, pieces),
    st.builds(BlockEnded, strings),
    st.builds(TokensUsed, st.builds(Usage, input_tokens=st.integers(0, 9))),
    st.builds(Stopped, st.sampled_from(["end_turn", "tool_use", ""])),
    st.sampled_from([None, 5, BlockDelta(7), BlockStarted("text", name=7), BlockEnded(b"x"), "add"]),  # type: ignore[arg-type]
)


def live() -> LiveTurn:
    return LiveTurn(Turn(number=3, status="running", started="2026-11-21T08:30:00Z", items=(PROMPT,)))


def feed(turn: LiveTurn, *given: ModelEvent) -> list[Change]:
    return [change for event in given if (change := turn.feed(event)) is not None]


class Client:
    """Somebody who attached at one point: the snapshot, and all changes from then on."""

    def __init__(self, snapshot: Turn) -> None:
        self.items = {item.id: item for item in snapshot.items}
        self.ended: set[str] = set()

    def take(self, change: Change) -> None:
        match change:
            case Started(item):
                assert item.id not in self.items
                self.items[item.id] = item
            case Grew(item_id, text):
                assert text
                ItemDelta(turn=3, item_id=item_id, text=text).dump_json()
                item = self.items[item_id]
                self.items[item_id] = item.model_copy(update={"text": (item.text or "") + text})
            case Ended(item):
                if item.kind in ("text", "thinking"):
                    assert self.items[item.id].text == item.text, "the deltas joined are the ended text"
                self.items[item.id] = item


@settings(deadline=None)
@given(st.lists(events, max_size=30), st.integers(0, 30))
def test_whatever_comes_clients_see_what_is_kept(given: list[Any], attach_at: int) -> None:
    turn = live()
    clients = [Client(turn.snapshot())]
    seen_ids: list[str] = []
    for number, event in enumerate(given):
        if number == attach_at:
            clients.append(Client(turn.snapshot()))
        if event == "add":
            added = turn.next_item("notice", text="n")
            turn.add(added)
            for client in clients:
                client.take(Started(added))
            continue
        change = turn.feed(event)
        snapshot = turn.snapshot()
        snapshot.dump_json()
        ids = [item.id for item in snapshot.items]
        assert ids[: len(seen_ids)] == seen_ids, "ids are permanent, and new ones come last"
        assert [int(item_id.rpartition(".")[2]) for item_id in ids] == sorted({int(name[2:]) for name in ids})
        seen_ids = ids
        if change is not None:
            for client in clients:
                client.take(change)
    shown = {item.id: item.text for item in turn.snapshot().items}
    for change in turn.cut():
        for client in clients:
            client.take(change)
    kept = turn.ended("interrupted", "2026-11-21T08:31:00Z")
    assert {item.id: item.text for item in kept.items} == shown, "no character is lost"
    assert not [item for item in kept.items if item.status in ("running", "waiting")]
    for client in clients:
        assert {item_id: item.text for item_id, item in client.items.items()} == shown
    assert list(turn.cut()) == []


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30), st.data())
def test_characters_beyond_the_basic_plane_survive_being_cut_in_halves(text: str, data: st.DataObject) -> None:
    halves = text.encode("utf-16-le")
    units = [halves[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(halves), 2)]
    turn = live()
    feed(turn, BlockStarted("text"))
    grown: list[str] = []
    while units:
        count = data.draw(st.integers(1, len(units)))
        piece, units = "".join(units[:count]), units[count:]
        grown += [change.text for change in feed(turn, BlockDelta(piece)) if isinstance(change, Grew)]
    (ended,) = feed(turn, BlockEnded())
    assert isinstance(ended, Ended)
    assert ended.item.text == "".join(grown) == text


def test_a_reply_with_thinking_text_and_a_tool() -> None:
    turn = live()
    changes = feed(
        turn,
        BlockStarted("thinking"),
        BlockDelta("hm"),
        BlockEnded("sealed"),
        BlockStarted("text"),
        BlockDelta("Let me "),
        BlockDelta("look."),
        BlockEnded(),
        BlockStarted("tool", call_id="toolu_1", name="read_file"),
        BlockDelta('{"path": '),
        BlockDelta('"a.py"}'),
        BlockEnded(),
        Stopped("tool_use"),
    )
    assert [type(change).__name__ for change in changes] == [
        *("Started", "Grew", "Ended"),
        *("Started", "Grew", "Grew", "Ended"),
        *("Started", "Ended"),
    ]
    assert turn.items[1:] == (
        Item(id="3.2", kind="thinking", text="hm", signature="sealed"),
        Item(id="3.3", kind="text", text="Let me look."),
        Item(id="3.4", kind="tool", name="read_file", call_id="toolu_1", input={"path": "a.py"}, status="running"),
    )
    assert turn.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        (" \n", {}),
        ("{}", {}),
        ('{"a": null, "b": [1, 2.5, true]}', {"a": None, "b": [1, 2.5, True]}),
        ('{"a": "\\ud83c\\udf89"}', {"a": "🎉"}),
    ],
)
def test_arguments_that_are_sound(text: str, arguments: dict[str, Any]) -> None:
    turn = live()
    (_, ended) = feed(turn, BlockStarted("tool", name="t"), BlockDelta(text), BlockEnded())
    assert isinstance(ended, Ended)
    assert (ended.item.input, ended.item.status) == (arguments, "running")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        '{"a": 1} and more',
        "[]",
        "null",
        '"a"',
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}',
        '{"\\udc00": 1}',
        '{"a":' * 100_000,
        '{"a":' * DEEPEST + "{}" + "}" * DEEPEST,
        "\ufeff{}",
        "{" + "\x00}",
    ],
)
def test_arguments_that_are_not_are_never_run(text: str) -> None:
    turn = live()
    (_, ended) = feed(turn, BlockStarted("tool", name="t"), BlockDelta(text), BlockEnded())
    assert isinstance(ended, Ended)
    assert (ended.item.input, ended.item.status) == ({}, "failed")
    assert "not a JSON object" in (ended.item.output or "")
    assert len(ended.item.dump_json()) < 3000


def test_arguments_as_deep_as_allowed_are_kept() -> None:
    deep = '{"a":' * (DEEPEST - 1) + "{}" + "}" * (DEEPEST - 1)
    turn = live()
    (_, ended) = feed(turn, BlockStarted("tool", name="t"), BlockDelta(deep), BlockEnded())
    assert isinstance(ended, Ended)
    assert ended.item.status == "running"
    assert json.loads(ended.item.dump_json())["input"] == json.loads(deep)


def test_a_tool_that_was_cut_off_or_never_ran_is_interrupted() -> None:
    turn = live()
    feed(turn, BlockStarted("tool", name="a"), BlockEnded(), BlockStarted("tool", name="b"), BlockDelta('{"x'))
    ended = [change.item for change in turn.cut()]
    assert {item.name: item.status for item in ended} == {"a": "interrupted", "b": "interrupted"}
    assert [item.name for item in turn.items[1:]] == ["a", "b"]


def test_a_block_that_never_ended_keeps_what_was_streamed() -> None:
    turn = live()
    feed(turn, BlockStarted("text"), BlockDelta("half"), BlockStarted("tool", name="t"), BlockStarted("text"))
    assert [(item.text, item.status) for item in turn.items[1:]] == [("half", None), (None, "interrupted")]
    assert [item.id for item in turn.snapshot().items] == ["3.1", "3.2", "3.3", "3.4"]


def test_a_steer_while_a_block_is_open_comes_after_it() -> None:
    turn = live()
    feed(turn, BlockStarted("text"), BlockDelta("one "))
    turn.add(turn.next_item("prompt", text="steer"))
    feed(turn, BlockDelta("two"), BlockEnded())
    assert [(item.id, item.text) for item in turn.items] == [("3.1", "Go"), ("3.2", "one two"), ("3.3", "steer")]


def test_ids_go_on_where_the_items_of_a_taken_up_turn_end() -> None:
    start = Turn(number=3, status="waiting", started="x", items=(PROMPT, Item(id="3.7", kind="text", text="a")))
    assert LiveTurn(start).next_item("notice", text="n").id == "3.8"


def test_usage_adds_over_calls_and_is_replaced_within_one() -> None:
    turn = live()
    assert turn.usage is None
    turn.begin_call()
    feed(turn, TokensUsed(Usage(input_tokens=5)), TokensUsed(Usage(input_tokens=5, output_tokens=2)))
    turn.begin_call()
    assert turn.usage == Usage(input_tokens=5, output_tokens=2)
    feed(turn, TokensUsed(Usage(input_tokens=7, cost=0.5)))
    assert turn.usage == Usage(input_tokens=12, output_tokens=2, cost=0.5)
    assert turn.stop_reason is None


def test_a_tool_that_ran_is_replaced_in_its_place() -> None:
    turn = live()
    feed(turn, BlockStarted("tool", name="a"), BlockEnded(), BlockStarted("text"), BlockEnded())
    turn.replace(turn.items[1].model_copy(update={"status": "completed", "output": "ok"}))
    turn.replace(Item(id="9.9", kind="text"))
    assert [item.status for item in turn.items] == [None, "completed", None]
    assert get_args(Change) == (Started, Grew, Ended)
