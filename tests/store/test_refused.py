"""What was refused does not come back: neither at once, nor after a restart that follows without any other write."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agentd.errors import StoreFailed
from agentd.store.api import QueuedPrompt, SessionLog
from agentd.store.project import FileStore
from tests.store.support import (
    BROKEN,
    FULL,
    TIME,
    FailingFiles,
    a_session,
    a_store,
    numbers,
    ours,
    whole_turn,
)

pytestmark = pytest.mark.anyio

FAILURES = [("sync", BROKEN), ("write", FULL)]


@pytest.mark.parametrize(("call", "error"), FAILURES)
async def test_a_refused_record_does_not_come_back_at_a_restart(tmp_path: Path, call: str, error: int) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        await log.append(whole_turn(1))
        kept = (log.directory / "transcript.jsonl").read_bytes()
        disk.fails = {call: (0, error)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(2, "a ghost"))
        assert (log.directory / "transcript.jsonl").read_bytes() == kept
    async with a_store(tmp_path) as store:
        again = await store.open(log.id)
        assert numbers((await again.page(None, 9)).turns) == [1] and again.problems == ()
        await again.append(whole_turn(2))
        assert numbers((await again.page(None, 9)).turns) == [1, 2]


@pytest.mark.parametrize("call", ["write", "sync", "sync_directory"])
async def test_nor_does_one_of_a_new_segment_whose_name_stays(tmp_path: Path, call: str) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        await log.append(whole_turn(1))
        disk.fails = {"sync": (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(2, "a ghost"))
        disk.fails = {call: (0, BROKEN), "unlink": (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(2, "another ghost"))
        assert (log.directory / "transcript.1.jsonl").read_bytes() == b""
    for _ in range(2):
        async with a_store(tmp_path) as store:
            again = ours(await store.open(log.id))
            assert numbers((await again.page(None, 9)).turns) == [1] and again.problems == ()
    async with a_store(tmp_path) as store:
        again = ours(await store.open(log.id))
        # Nobody knows whether the name of the empty one is durable.
        await again.append(whole_turn(2))
        assert (log.directory / "transcript.1.jsonl").read_bytes() == b""
        await again.close()
        again = ours(await store.open(log.id))
        await again.append(whole_turn(3))
        assert numbers((await again.page(None, 9)).turns) == [1, 2, 3] and again.problems == ()
        assert len(list(log.directory.glob("transcript*"))) == 3


async def test_where_the_disk_cannot_even_cut_the_next_segment_voids_it(store: FileStore, disk: FailingFiles) -> None:
    log = await a_session(store)
    await log.append(whole_turn(1))
    disk.fails = {"sync": (0, BROKEN), "truncate": (0, BROKEN)}
    for _ in range(2):
        with pytest.raises(StoreFailed, match="Input/output error"):
            await log.append(whole_turn(2, "a ghost"))
    disk.fails = {}
    assert b"a ghost" in (log.directory / "transcript.jsonl").read_bytes()
    await log.append(whole_turn(3))
    await log.close()
    again = await store.open(log.id)
    assert numbers((await again.page(None, 9)).turns) == [1, 3] and again.problems == ()


QUEUE_CHANGES: dict[str, Callable[[SessionLog], Awaitable[None]]] = {
    "enqueue": lambda log: log.enqueue(QueuedPrompt(9, "a ghost", TIME)),
    "dequeue": lambda log: log.dequeue(5),
}


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("what", QUEUE_CHANGES)
async def test_a_refused_change_of_the_queue_does_not_come_back(tmp_path: Path, what: str, call: str) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        await log.enqueue(QueuedPrompt(5, "waits", TIME))
        before = log.queued, log.last_turn
        disk.fails = {call: (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await QUEUE_CHANGES[what](log)
    async with a_store(tmp_path) as store:
        again = await store.open(log.id)
        assert (again.queued, again.last_turn) == before and again.problems == ()


@pytest.mark.parametrize("call", ["write", "sync", "sync_directory"])
async def test_nor_does_the_first_prompt_that_was_ever_queued(tmp_path: Path, call: str) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        disk.fails = {call: (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.enqueue(QueuedPrompt(5, "a ghost", TIME))
    async with a_store(tmp_path) as store:
        again = await store.open(log.id)
        assert not again.queued and again.last_turn == 0 and again.problems == ()
        await again.enqueue(QueuedPrompt(1, "kept", TIME))
        assert [prompt.prompt for prompt in again.queued] == ["kept"]
