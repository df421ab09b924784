"""A fork: the same bytes through a turn's end, and nothing else; the source is untouched."""

from pathlib import Path

import pytest

from agentd.core.records import item_draft, mark_draft, system_draft
from agentd.errors import InvalidParams, StoreFailed
from agentd.protocol import Item
from agentd.store.files import Files
from agentd.store.project import FileStore
from tests.store.support import (
    BROKEN,
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


async def test_a_fork_after_each_turn(store: FileStore) -> None:
    log = await a_session(store, [system_draft("be kind"), system_draft("be brief")])
    for number in range(1, 6):
        await log.append(whole_turn(number))
    await log.append(start_of(6))
    before = log.segments[0].path.read_bytes()
    for through in range(6):
        fork = ours(await store.fork(log, through, new_metadata()))
        assert numbers((await fork.page(None, 10)).turns) == list(range(1, through + 1))
        assert (await fork.conversation(10_000)).system == ("be kind", "be brief")
        assert before.startswith(fork.segments[0].path.read_bytes())
        assert (fork.last_turn, fork.last.number if fork.last else 0) == (through, through)
        assert fork.problems == () and fork.queued == ()
        await fork.append(whole_turn(through + 1))
        await fork.close()
        assert (await store.open(fork.id)).last_turn == through + 1
    assert log.segments[0].path.read_bytes() == before
    for wrong in (6, 7):
        with pytest.raises(InvalidParams, match=str(wrong)):
            await store.fork(log, wrong, new_metadata())
    assert len(await store.list_metadata()) == 7


async def test_a_fork_at_the_newest_turn_is_as_the_session_is(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.append([*whole_turn(2), mark_draft("clear", 2)])
    assert (await (await store.fork(log, 2, new_metadata())).conversation(10_000)).turns == ()
    assert numbers((await (await store.fork(log, 1, new_metadata())).conversation(10_000)).turns) == [1]
    await log.append([mark_draft("rewind", 1)])
    assert numbers((await (await store.fork(log, 1, new_metadata())).conversation(10_000)).turns) == [1]
    assert numbers((await (await store.fork(log, 2, new_metadata())).page(None, 5)).turns) == [1, 2]


async def test_of_a_session_in_segments_only_what_was_acknowledged_is_taken(
    store: FileStore, disk: FailingFiles
) -> None:
    log = await a_session(store, whole_turn(1))
    for number in (2, 4, 6):
        disk.fails = {"sync": (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(number, "a ghost"))
        disk.fails = {"write": (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(number, "a ghost"))
        disk.fails = {}
        await log.append(whole_turn(number + 1))
    for through, there in ((1, [1]), (3, [1, 3]), (5, [1, 3, 5]), (7, [1, 3, 5, 7])):
        fork = ours(await store.fork(log, through, new_metadata()))
        assert numbers((await fork.page(None, 10)).turns) == there
        assert b"ghost" not in fork.segments[0].path.read_bytes() and fork.problems == ()
        again = ours(await store.fork(fork, through, new_metadata()))
        assert again.segments[0].path.read_bytes() == fork.segments[0].path.read_bytes()


async def test_blobs_are_shared(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    blobs = log.directory / "blobs"
    blobs.mkdir()
    (blobs / "abc").write_text("large")
    fork = ours(await store.fork(log, 1, new_metadata()))
    assert (fork.directory / "blobs" / "abc").samefile(blobs / "abc")


class NoKernelCopy(Files):
    def copy(self, source: int, start: int, end: int, target: int) -> None:
        self.copy_by_hand(source, start, end, target)


async def test_where_the_kernel_cannot_copy_it_is_copied_by_hand(tmp_path: Path) -> None:
    async with a_store(tmp_path, NoKernelCopy()) as store:
        log = await a_session(store)
        big = Item(id="1.2", kind="tool", name="read", status="completed", output="x" * 3_000_000)
        await log.append([*start_of(1), item_draft(1, big), *end_of(1)])
        fork = ours(await store.fork(log, 1, new_metadata()))
        assert fork.segments[0].path.read_bytes() == log.segments[0].path.read_bytes()
