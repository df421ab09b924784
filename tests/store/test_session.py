"""One session: what is appended is read back, in pages and as a conversation; queue, metadata and event log."""

import json
import os
import stat
from pathlib import Path

import anyio
import pytest

from agentd.core.records import Draft, item_draft, mark_draft, system_draft, turn_draft
from agentd.errors import LoadFailed, SessionInUse, SessionNotFound, StoreFailed
from agentd.protocol import ContextText, Item
from agentd.store import eventlog
from agentd.store.api import QueuedPrompt
from agentd.store.project import FileStore
from tests.store.support import (
    TIME,
    a_session,
    a_store,
    a_turn,
    end_of,
    new_metadata,
    numbers,
    ours,
    prompt_item,
    start_of,
    texts,
    whole_turn,
)

pytestmark = pytest.mark.anyio


async def test_a_new_session_has_nothing_but_what_it_was_made_with(store: FileStore) -> None:
    log = await store.create(new_metadata().changed(name="mine"), [system_draft("be kind")])
    assert (log.last_turn, log.last, log.queued, log.problems) == (0, None, (), ())
    assert log.metadata.name == "mine"
    assert (await log.page(None, 10)).turns == ()
    assert (await log.conversation(1000)).system == ("be kind",)


async def test_what_is_appended_is_there_after_opening_again(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 4):
        await log.append(whole_turn(number))
    before = log.last
    await log.close()
    again = await store.open(log.id)
    assert again.last == before and again.last_turn == 3 and again.problems == ()
    await again.append(whole_turn(4))
    assert numbers((await again.page(None, 10)).turns) == [1, 2, 3, 4]
    assert [json.loads(line)["seq"] for line in log.segments[0].path.read_bytes().splitlines()] == list(range(1, 17))


async def test_last_is_kept_in_step(store: FileStore) -> None:
    log = await a_session(store)
    call = Item(id="1.2", kind="tool", name="read", status="running")
    done = call.model_copy(update={"status": "completed", "output": "x"})
    for drafts in (start_of(1), [item_draft(1, call)], [item_draft(1, done)], end_of(1), start_of(2)):
        await log.append(drafts)
        assert log.last == (await log.page(None, 1)).turns[0]
    assert log.last is not None and log.last.status == "running"


async def test_appends_that_wait_together_go_out_together_and_in_order(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        async with anyio.create_task_group() as tasks:
            for number in range(1, 101):
                tasks.start_soon(log.append, whole_turn(number))
        assert numbers((await log.page(None, 200)).turns) == list(range(1, 101))


async def test_pages_go_back_to_the_first_turn(store: FileStore) -> None:
    log = await a_session(store, [system_draft("first of all")])
    for number in range(1, 24):
        await log.append(whole_turn(number))
    for opened_again in (False, True):
        before, seen = None, list[int]()
        while True:
            page = await log.page(before, 5)
            assert numbers(page.turns) == sorted(numbers(page.turns))
            seen = numbers(page.turns) + seen
            if page.before is None:
                break
            before = page.before
            if opened_again:
                # Without the hints of the page before, the same is found by looking.
                await log.close()
                log = ours(await store.open(log.id))
        assert seen == list(range(1, 24))


async def test_a_page_of_nothing_says_where_to_go_on(store: FileStore) -> None:
    log = await a_session(store)
    assert await log.page(None, 0) == await log.page(None, 5)
    await log.append(whole_turn(1))
    page = await log.page(None, 0)
    assert page.turns == () and page.before is not None
    assert numbers((await log.page(page.before, 5)).turns) == [1]


async def test_before_a_number_that_no_turn_has(store: FileStore) -> None:
    log = await a_session(store)
    for number in (1, 2, 5, 9):
        await log.append(whole_turn(number))
    assert numbers((await log.page(7, 2)).turns) == [2, 5]
    assert numbers((await log.page(99, 2)).turns) == [5, 9]
    assert (await log.page(1, 2)).turns == ()


async def test_a_page_ends_at_its_bytes_and_a_long_output_is_cut(store: FileStore) -> None:
    log = await a_session(store)
    long = Item(id="2.2", kind="tool", name="read", status="completed", output="x" * 300_000)
    await log.append(whole_turn(1, reply="small"))
    await log.append([*start_of(2), item_draft(2, long), *end_of(2)])
    await log.append(whole_turn(3, reply="y" * 60_000))
    await log.append(whole_turn(4, reply="z" * 60_000))
    newest = await log.page(None, 10, 100_000)
    assert numbers(newest.turns) == [4] and newest.before == 4
    second = await log.page(4, 10, 100_000)
    assert numbers(second.turns) == [3]
    third = await log.page(3, 10, 100_000)
    assert numbers(third.turns) == [2] and len(third.turns[0].dump_json()) < 110_000
    output = third.turns[0].items[1].output
    assert output is not None and output.startswith("xxx") and "left out here" in output
    assert numbers((await log.page(2, 10, 100_000)).turns) == [1]


async def test_a_turn_of_very_many_items_fits_a_page(store: FileStore) -> None:
    log = await a_session(store)
    items = [Item(id=f"1.{place}", kind="text", text="word " * 20) for place in range(2, 3000)]
    await log.append([*start_of(1, "the question"), *(item_draft(1, item) for item in items), *end_of(1)])
    (turn,) = (await log.page(None, 10, 100_000)).turns
    assert turn.status == "completed" and texts(turn)[0] == "the question"
    assert len(turn.dump_json()) < 110_000 and any("left out" in (text or "") for text in texts(turn))


async def test_a_rewind_hides_turns_and_goes_on_from_there(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 6):
        await log.append(whole_turn(number))
    await log.page(None, 1)
    await log.append([mark_draft("rewind", 2)])
    await log.append(whole_turn(6))
    assert numbers((await log.page(None, 2)).turns) == [2, 6]
    assert numbers((await log.page(6, 5)).turns) == [1, 2]
    assert numbers((await log.conversation(100_000)).turns) == [1, 2, 6]
    await log.append([mark_draft("rewind", 0)])
    assert (await log.page(None, 5)).turns == ()
    assert log.last_turn == 6 and log.last is not None and log.last.number == 6


async def test_cleared_and_compacted_turns_are_on_record_and_not_in_the_conversation(store: FileStore) -> None:
    log = await a_session(store, [system_draft("be kind")])
    for number in range(1, 4):
        await log.append(whole_turn(number))
    await log.append([mark_draft("compact", 2, summary="they greeted")])
    await log.append(whole_turn(4))
    conversation = await log.conversation(100_000)
    assert (numbers(conversation.turns), conversation.summary) == ([3, 4], "they greeted")
    await log.append([mark_draft("clear", 4, keep_system=True), system_draft("be brief"), *whole_turn(5)])
    conversation = await log.conversation(100_000)
    assert (numbers(conversation.turns), conversation.summary) == ([5], None)
    assert conversation.system == ("be kind", "be brief")
    await log.append([mark_draft("clear", 5, keep_system=False), *whole_turn(6)])
    conversation = await log.conversation(100_000)
    assert (numbers(conversation.turns), conversation.system) == ([6], ())
    assert numbers((await log.page(None, 50)).turns) == [1, 2, 3, 4, 5, 6]
    await log.append([mark_draft("rewind", 4), *whole_turn(7)])
    conversation = await log.conversation(100_000)
    assert (numbers(conversation.turns), conversation.system) == ([3, 4, 7], ("be kind",))
    assert conversation.summary == "they greeted"


async def test_a_retried_turn_is_shown_and_not_sent(store: FileStore) -> None:
    log = await a_session(store)
    await log.append(whole_turn(1))
    await log.append([*start_of(2, "why"), *end_of(2, status="failed")])
    await log.append([*start_of(3, "why", retryOf=2), *end_of(3, status="failed", retryOf=2)])
    await log.append([*start_of(4, "why", retryOf=3), *end_of(4, "because", retryOf=3)])
    assert numbers((await log.conversation(100_000)).turns) == [1, 4]
    assert numbers((await log.page(None, 10)).turns) == [1, 2, 3, 4]


async def test_the_conversation_is_the_newest_that_fits_with_what_stands_before_it(store: FileStore) -> None:
    log = await a_session(store, [system_draft("be kind")])
    await log.append([*whole_turn(1), mark_draft("compact", 1, summary="hello")])
    for number in range(2, 30):
        await log.append(whole_turn(number, reply="x" * 1000))
    conversation = await log.conversation(5000)
    assert 1 < len(conversation.turns) < 6 and conversation.turns[-1].number == 29
    assert conversation.system == ("be kind",) and conversation.summary == "hello"
    await log.append([*start_of(30), *end_of(30, "y" * 50_000)])
    (turn,) = (await log.conversation(5000)).turns
    assert turn.number == 30 and len(turn.dump_json()) < 6000


async def test_prompts_wait_in_order_and_survive(store: FileStore) -> None:
    log = await a_session(store)
    context = (ContextText(title="a.py", text="x = 1"),)
    first = QueuedPrompt(1, "one", TIME, context=context, ref="r", model="m", mode="plan", background=True)
    await log.enqueue(first)
    await log.enqueue(QueuedPrompt(2, "two", TIME))
    await log.enqueue(QueuedPrompt(3, "three", TIME, steer=True))
    await log.dequeue(2)
    assert log.last_turn == 3
    for _ in range(2):
        assert [waiting.number for waiting in log.queued] == [1, 3]
        assert log.queued == (first, QueuedPrompt(3, "three", TIME, steer=True))
        await log.close()
        log = ours(await store.open(log.id))
    await log.dequeue(1)
    await log.dequeue(3)
    await log.close()
    again = await store.open(log.id)
    # A number that was given is not given again, even though its prompt was dropped.
    assert again.queued == () and again.last_turn == 3


async def test_the_queue_stays_small(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 60):
        await log.enqueue(QueuedPrompt(number, "p" * 1000, TIME))
        await log.dequeue(number)
    assert (log.directory / "queue.jsonl").stat().st_size < 16_384
    await log.close()
    assert (await store.open(log.id)).last_turn == 59


async def test_metadata_is_replaced_and_listed(store: FileStore) -> None:
    log = await a_session(store)
    changed = log.metadata.changed(name="näme", tags=("a", "b"))
    await log.save_metadata(changed)
    assert log.metadata == changed
    async with anyio.create_task_group() as tasks:
        for place in range(20):
            tasks.start_soon(log.save_metadata, changed.changed(description=f"{place}"))
    assert log.metadata.description == "19"
    assert list(await store.list_metadata()) == [log.metadata]
    assert sorted(os.listdir(log.directory)) == ["metadata.json", "transcript.jsonl"]


async def test_the_event_log_is_capped_and_holds_no_bodies(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "LARGEST", 20_000)
    log = await a_session(store)
    body: dict[str, object] = {"text": "x" * 900, "turn": 1, "body": {"a": 1}, "time": "never"}
    for _ in range(200):
        log.log_event("turn/started", body)
    log.log_event("odd\ud800", {})
    await log.close()
    lines = (log.directory / eventlog.OLDER).read_bytes().splitlines()
    event = json.loads(lines[0])
    assert event["event"] == "turn/started" and event["turn"] == 1 and "body" not in event and len(event["text"]) == 200
    assert event["time"] != "never"


async def test_everything_is_the_users_alone(store: FileStore, tmp_path: Path) -> None:
    log = await a_session(store)
    await log.append(start_of(1))
    log.journal_start(1, Item(id="1.2", kind="text"))
    await log.enqueue(QueuedPrompt(2, "two", TIME))
    await log.save_metadata(log.metadata)
    log.log_event("x", {})
    await log.close()
    (tmp_path / "project" / "project.json").stat()
    for path in (tmp_path / "project").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_an_id_is_no_path(store: FileStore) -> None:
    for wrong in ("", "..", ".new-x", "../x", "a/b", "x" * 300, "nobody"):
        with pytest.raises(SessionNotFound):
            await store.open(wrong)
    with pytest.raises(StoreFailed):
        await store.create(new_metadata("../x"), [])


async def test_a_session_has_one_owner(store: FileStore) -> None:
    log = await a_session(store)
    with pytest.raises(SessionInUse):
        await store.create(new_metadata(log.id), [])
    again = await store.open(log.id)
    with pytest.raises(StoreFailed, match="closed"):
        await log.append(whole_turn(1))
    await again.append(whole_turn(1))
    await again.close()
    await again.close()
    with pytest.raises(StoreFailed, match="exists"):
        await store.create(new_metadata(log.id), [])


async def test_opening_waits_for_what_its_last_owner_writes(store: FileStore) -> None:
    log = await a_session(store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.append, whole_turn(1))
        await anyio.lowlevel.checkpoint()
        assert (await store.open(log.id)).last_turn == 1


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
    with pytest.raises(StoreFailed, match="closed"):
        await store.create(new_metadata(), [])
    with pytest.raises(StoreFailed, match="closed"):
        await log.append(whole_turn(1))
    with pytest.raises((StoreFailed, LoadFailed), match="closed"):
        await log.page(None, 1)


async def test_a_record_that_json_cannot_hold_fails_alone(store: FileStore) -> None:
    log = await a_session(store)
    with pytest.raises(TypeError):
        await log.append([Draft(1, "text", {"id": object()})])
    await log.append([turn_draft(a_turn(1)), item_draft(1, prompt_item(1))])
    assert log.problems == () and numbers((await log.page(None, 5)).turns) == [1]
