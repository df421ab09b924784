"""Folding: records to turns, what a rewind hides, how a cut-off turn ends, and cutting to a size."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.fold import NewestFirst, Streamed, TurnFold, ended_unless, ending_of, fit, fold_turns
from agentd.core.records import Draft, Record, item_draft, turn_draft
from agentd.protocol import Item, Turn

TIME = "2026-01-02T03:04:05.678Z"


def records_of(drafts: Sequence[Draft]) -> list[Record]:
    return [Record(seq, draft.turn, TIME, draft.kind, draft.body) for seq, draft in enumerate(drafts, 1)]


def a_turn(number: int, state: str = "running", **fields: Any) -> Turn:
    return Turn.model_validate({"number": number, "status": state, "started": TIME, **fields})


def tool(item_id: str, status: str, **fields: Any) -> Item:
    return Item.model_validate({"id": item_id, "kind": "tool", "name": "read", "status": status, **fields})


def test_a_turn_is_its_start_its_items_and_its_end() -> None:
    prompt, call, done = Item(id="1.1", kind="prompt", text="hi"), tool("1.2", "running"), tool("1.2", "completed")
    reply = Item(id="1.3", kind="text", text="ho")
    end = a_turn(1, "completed", ended=TIME, stopReason="end_turn", model="m")
    drafts = [turn_draft(a_turn(1)), *(item_draft(1, item) for item in (prompt, call, reply, done)), turn_draft(end)]
    assert fold_turns(records_of(drafts)) == (end.model_copy(update={"items": (prompt, done, reply)}),)


def test_what_newer_versions_add_is_kept() -> None:
    body = {"status": "completed", "started": TIME, "mood": "good"}
    drafts = [Draft(1, "turn", body), Draft(1, "hologram", {"id": "1.1"}), Draft(1, "text", {"id": "1.2", "glow": 3})]
    (turn,) = fold_turns(records_of(drafts))
    assert turn.dump() == {**body, "number": 1, "items": [{"id": "1.2", "kind": "text", "glow": 3}]}


@pytest.mark.parametrize(
    "wrong", [{"status": "sleeping"}, {"usage": 5}, {"started": 1}, {"retryOf": "x"}, {"number": ""}]
)
def test_a_wrong_field_costs_itself(wrong: dict[str, Any]) -> None:
    header = {"status": "completed", "started": TIME, "model": "m", **wrong}
    drafts = [
        Draft(4, "turn", header),
        Draft(4, "text", {"id": "4.1", "text": "kept"}),
        Draft(4, "text", {"id": 3, "text": 1}),
    ]
    (turn,) = fold_turns(records_of(drafts))
    assert turn.number == 4 and turn.model == "m"
    assert [item.text for item in turn.items] == ["kept"]


def test_without_start_and_end_a_turn_was_interrupted() -> None:
    (turn,) = fold_turns(records_of([item_draft(3, Item(id="3.2", kind="text", text="alone"))]))
    assert (turn.number, turn.status, turn.started) == (3, "interrupted", TIME)


def test_half_a_surrogate_pair_costs_a_character() -> None:
    (turn,) = fold_turns(records_of([Draft(1, "text", {"id": "1.1", "text": "a\ud800b", "name": None})]))
    assert turn.items[0].text == "a\ufffdb"


def test_items_stand_in_the_order_of_their_numbers() -> None:
    drafts = [item_draft(1, Item(id=f"1.{place}", kind="text")) for place in (10, 2, 9)]
    assert [item.id for item in fold_turns(records_of(drafts))[0].items] == ["1.2", "1.9", "1.10"]


def test_only_the_live_turn_is_shown_as_running() -> None:
    assert ended_unless(a_turn(3), 3).status == "running"
    assert ended_unless(a_turn(3), 4).status == "interrupted"
    assert ended_unless(a_turn(3, "failed"), None).status == "failed"


UNHURRIED = settings(deadline=None)
Steps = list[tuple[str, int]]


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(["turn", "turn", "rewind", "clear"]), st.integers(0, 30)), max_size=25))
def test_a_rewind_restores_what_was_at_a_turns_end(steps: Steps) -> None:
    """Against a model that goes forward and remembers each turn's end."""
    drafts: list[Draft] = []
    shown: tuple[object, ...] = ()
    at_end: dict[int, tuple[object, ...]] = {0: ()}
    number = 0
    for kind, pick in steps:
        if kind == "turn":
            number += 1
            drafts += [turn_draft(a_turn(number)), turn_draft(a_turn(number, "completed"))]
            shown = at_end[number] = (*shown, number)
        elif kind == "clear":
            drafts.append(Draft(0, "mark", {"mark": "clear", "through": number}))
            shown = (*shown, f"clear {len(drafts)}")
        else:
            turns = [0, *(one for one in shown if isinstance(one, int))]
            through = turns[pick % len(turns)]
            drafts.append(Draft(0, "mark", {"mark": "rewind", "through": through}))
            shown = at_end[through]
    seen = NewestFirst()
    found: list[object] = []
    for place, draft in reversed(list(enumerate(drafts, 1))):
        # A copy made on the way goes on as the original does.
        seen = seen.copy()
        if seen.counts(draft.kind, draft.turn, draft.body):
            mark = draft.turn or f"clear {place}"
            if mark not in found:
                found.append(mark)
    assert tuple(reversed(found)) == shown


ITEMS = st.builds(
    lambda place, kind, text, whole: Streamed(Item(id=f"7.{place}", kind=kind, text=text), whole),
    st.integers(2, 9), st.sampled_from(["text", "thinking"]), st.text(min_size=1), st.booleans(),
)  # fmt: skip


@UNHURRIED
@given(st.lists(ITEMS, unique_by=lambda one: one.item.id), st.data())
def test_an_ending_cut_off_anywhere_is_ended_again_without_doubles(
    streamed: list[Streamed], data: st.DataObject
) -> None:
    before = [
        turn_draft(a_turn(7)),
        item_draft(7, Item(id="7.1", kind="prompt", text="go")),
        item_draft(7, tool("7.0", "running")),
    ]
    (turn,) = fold_turns(records_of(before))
    ending = ending_of(turn, streamed, TIME)
    (ended,) = fold_turns(records_of([*before, *ending]))
    assert ended.status == "interrupted" and ended.error is not None and ended.error.retryable
    assert {item.id: item.text for item in ended.items if item.id not in ("7.0", "7.1")} == {
        one.item.id: one.item.text for one in streamed
    }
    assert ended.items[0].status == "interrupted"
    cut = data.draw(st.integers(0, len(ending) - 1))
    (half,) = fold_turns(records_of([*before, *ending[:cut]]))
    again = ending_of(half, streamed, TIME)
    assert not {draft.body.get("id") for draft in ending[:cut]} & {
        draft.body.get("id") for draft in again if draft.kind != "turn"
    }
    assert fold_turns(records_of([*before, *ending[:cut], *again])) == (ended,)


def test_a_tool_at_work_that_had_its_result_in_the_journal_keeps_it() -> None:
    fold = TurnFold(1)
    fold.add("tool", item_draft(1, tool("1.2", "running", input={"path": "a"})).body, TIME)
    done = tool("1.2", "completed", input={"path": "a"}, output="found")
    ending = ending_of(fold.turn(), [Streamed(done, True)], TIME)
    assert ending[0] == item_draft(1, done)


def test_an_item_that_began_and_brought_nothing_is_no_item() -> None:
    ending = ending_of(a_turn(1), [Streamed(Item(id="1.2", kind="text"), False)], TIME)
    assert [draft.kind for draft in ending] == ["turn"]


@UNHURRIED
@given(st.lists(st.text(max_size=5000), max_size=8), st.integers(500, 20_000))
def test_a_turn_is_cut_to_fit(outputs: list[str], room: int) -> None:
    items = [tool(f"1.{place}", "completed", output=output) for place, output in enumerate(outputs)]
    turn = a_turn(1).model_copy(update={"items": tuple(items)})
    cut = fit(turn, room)
    assert [item.id for item in cut.items] == [item.id for item in items]
    assert len(cut.dump_json()) <= room + 300 * (len(items) + 1)
    for item, whole in zip(cut.items, items, strict=True):
        assert item.output is not None and whole.output is not None
        head, note, tail = item.output.partition("\n[… ")
        assert whole.output.startswith(head) and (not note or whole.output.endswith(tail.partition("…]\n")[2]))


def test_seals_are_never_cut_and_prompts_only_where_they_may_be() -> None:
    thinking = Item(id="1.2", kind="thinking", text="x" * 9000, signature="s" * 600)
    prompt = Item(id="1.1", kind="prompt", text="p" * 9000)
    redacted = Item(id="1.3", kind="redacted", data="d" * 600)
    turn = a_turn(1).model_copy(update={"items": (prompt, thinking, redacted)})
    cut = fit(turn, 4000, whole=frozenset({"prompt"}))
    assert cut.items[0] == prompt and cut.items[2] == redacted
    assert cut.items[1].text is not None and len(cut.items[1].text) < 9000
    assert cut.items[1].signature is None
