"""Size: a page costs a page, whatever lies before it; and an open session is small."""

import gc
import time
import tracemalloc
from pathlib import Path

import pytest

from agentd.core.records import item_draft
from agentd.protocol import Item
from agentd.store.project import FileStore
from agentd.store.transcript import Entry
from tests.store.support import (
    FailingFiles,
    a_session,
    a_store,
    end_of,
    new_metadata,
    numbers,
    ours,
    start_of,
    whole_turn,
)

pytestmark = pytest.mark.anyio
MB = 1 << 20


def fill(path: Path, size: int) -> int:
    """Turns of 8 KB up to about this size; the last turn's number."""
    number, written = 0, 0
    with path.open("wb") as file:
        while written < size:
            lines: list[bytes] = []
            for _ in range(200):
                number += 1
                lines += Entry.of(whole_turn(number, reply="word " * 1600)).lines_from(4 * (number - 1))
            written += file.write(b"".join(lines))
    return number


async def test_a_page_of_200_mb(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        await log.close()
        last = fill(log.directory / "transcript.jsonl", 200 * MB)
        gc.collect()
        tracemalloc.start()
        began = time.perf_counter()
        log = ours(await store.open(log.id))
        page = await log.page(None, 50, 500_000)
        took = time.perf_counter() - began
        assert numbers(page.turns)[-1] == last == log.last_turn and len(page.turns) == 50
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 5 * MB, f"{peak / MB:.1f} MB"
        # Tracing doubles the time; a reading of everything would take a hundred times as long.
        assert took < 1, f"{took * 1000:.1f} ms"
        for _ in range(30):
            assert page.before is not None
            older = await log.page(page.before, 50, 500_000)
            assert older.turns[-1].number == page.turns[0].number - 1
            page = older
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * MB, f"{peak / MB:.1f} MB"
        began = time.perf_counter()
        found = await log.page(5, 50)
        assert numbers(found.turns) == [1, 2, 3, 4] and time.perf_counter() - began < 20
        conversation = await log.conversation(2_000_000)
        assert conversation.turns[-1].number == last and 100 < len(conversation.turns) < 400


async def test_a_line_of_100_mb_comes_cut(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    output = ('a line with "quotes" and \\ and ö\n' * 4 * 800_000)[: 100 * MB]
    big = Item(id="2.3", kind="tool", name="read", status="completed", output=output)
    await log.append([*start_of(2), item_draft(2, big), *end_of(2, "done")])
    await log.append(whole_turn(3))
    del big
    log.journal_clear()
    await log.close()
    gc.collect()
    tracemalloc.start()
    log = ours(await store.open(log.id))
    page = await log.page(None, 50)
    assert numbers(page.turns) == [3] and page.before == 3
    page = await log.page(3, 50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * MB, f"{peak / MB:.1f} MB"
    assert numbers(page.turns) == [2] and len(page.turns[0].dump_json()) < 1_100_000
    shown = page.turns[0].items[2].output
    assert shown is not None and shown[:1000] == output[:1000] and "left out here" in shown
    assert numbers((await log.page(2, 50)).turns) == [1]
    assert log.problems == ()


async def test_fifty_open_sessions_are_small(store: FileStore) -> None:
    made = []
    for _ in range(50):
        log = await a_session(store)
        for number in range(1, 6):
            call = Item(id=f"{number}.2", kind="tool", name="read", status="completed", output="x" * 60_000)
            await log.append([*start_of(number), item_draft(number, call), *end_of(number)])
        await log.close()
        made.append(log.id)
    gc.collect()
    tracemalloc.start()
    opened = [await store.open(session_id) for session_id in made]
    for log_ in opened:
        await log_.page(None, 50)
    gc.collect()
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now < 20 * MB, f"{now / MB:.1f} MB"


async def test_making_a_session_is_a_handful_of_syncs(store: FileStore, disk: FailingFiles) -> None:
    disk.calls.clear()
    await store.create(new_metadata(), start_of(1))
    assert sum(call.startswith("sync") for call in disk.calls) <= 6
    log = await a_session(store)
    await log.append(start_of(1))
    log.journal_start(1, Item(id="1.2", kind="text"))
    disk.calls.clear()
    for _ in range(100):
        log.journal_delta(1, "1.2", "a word")
    assert disk.calls == ["write"] * 100
    disk.calls.clear()
    await log.append(end_of(1))
    assert disk.calls == ["write", "sync"]
