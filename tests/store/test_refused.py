"""What was refused does not come back: neither at once, nor after a restart that follows without any other write."""

import asyncio
import errno
import threading
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
    new_metadata,
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


async def _statuses(store: FileStore) -> list[str]:
    return [metadata.status for metadata in await store.list_metadata()]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("call", ["write", "sync", "create", "rename", "sync_directory"])
async def test_refused_metadata_is_not_what_is_listed(tmp_path: Path, call: str, links: bool) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        before = (log.directory / "metadata.json").read_bytes()
        disk.fails = {call: (0, BROKEN)} | ({} if links else {"link": (0, errno.EPERM)})
        for _ in range(2):
            with pytest.raises(StoreFailed, match="session metadata"):
                await log.save_metadata(log.metadata.changed(status="archived"))
            assert log.metadata.status == "active" and await _statuses(store) == ["active"]
            assert (log.directory / "metadata.json").read_bytes() == before
        await log.close()
        assert await _statuses(store) == ["active"]
    async with a_store(tmp_path) as store:
        assert await _statuses(store) == ["active"]
        again = await store.open(log.id)
        assert again.metadata.status == "active" and again.problems == ()
        await again.save_metadata(again.metadata.changed(status="archived"))
        await again.close()
        assert await _statuses(store) == ["archived"]
        assert not list(log.directory.glob(".*"))


async def test_what_could_not_be_put_back_is_not_listed_while_the_session_is_open(
    store: FileStore, disk: FailingFiles
) -> None:
    log = await a_session(store)
    disk.fails = {"sync_directory": (0, BROKEN), "rename": (1, BROKEN)}
    with pytest.raises(StoreFailed):
        await log.save_metadata(log.metadata.changed(status="archived"))
    assert b"archived" in (log.directory / "metadata.json").read_bytes()
    assert await _statuses(store) == ["active"]
    disk.fails = {}
    await log.save_metadata(log.metadata.changed(name="named"))
    await log.close()
    assert [(one.name, one.status) for one in await store.list_metadata()] == [("named", "active")]


class Held(FailingFiles):
    """Its first sync of a directory of this name waits until told."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.reached, self.go_on = threading.Event(), threading.Event()

    def sync_directory(self, path: Path) -> None:
        if path.name == self.name and not self.go_on.is_set():
            self.reached.set()
            assert self.go_on.wait(60)
        super().sync_directory(path)


@pytest.mark.parametrize("fails", [False, True])
async def test_metadata_is_listed_when_it_is_acknowledged_and_not_before(tmp_path: Path, fails: bool) -> None:
    made = new_metadata()
    disk = Held(made.id)
    async with a_store(tmp_path, disk) as store:
        log = await store.create(made, [])
        saving = asyncio.ensure_future(log.save_metadata(log.metadata.changed(status="archived")))
        await asyncio.to_thread(disk.reached.wait, 60)
        assert await _statuses(store) == ["active"]
        disk.fails = {"sync_directory": (0, BROKEN)} if fails else {}
        disk.go_on.set()
        await asyncio.wait([saving])
        assert (saving.exception() is not None) == fails
        assert await _statuses(store) == (["active"] if fails else ["archived"])


@pytest.mark.parametrize("fails", [False, True])
async def test_a_session_is_listed_when_it_is_acknowledged_and_not_before(tmp_path: Path, fails: bool) -> None:
    disk = Held("sessions")
    async with a_store(tmp_path, disk) as store:
        making = asyncio.ensure_future(store.create(new_metadata(), []))
        await asyncio.to_thread(disk.reached.wait, 60)
        assert await _statuses(store) == []
        disk.fails = {"sync_directory": (0, BROKEN)} if fails else {}
        disk.go_on.set()
        await asyncio.wait([making])
        assert (making.exception() is not None) == fails
        assert len(await store.list_metadata()) == (0 if fails else 1)
