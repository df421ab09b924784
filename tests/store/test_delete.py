"""Removing a session: whole or gone at every point, forks whole, others' directories untouched."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from agentd.errors import SessionInUse, SessionNotFound, StoreFailed
from agentd.store.api import QueuedPrompt
from agentd.store.project import FileStore
from tests.store.support import BROKEN, TIME, FailingFiles, a_session, a_store, new_metadata, ours, whole_turn

pytestmark = pytest.mark.anyio


def size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())


def documents_of(tmp_path: Path, session_id: str) -> Path:
    path = tmp_path / "root" / ".agentd" / "sessions" / session_id
    path.mkdir(parents=True)
    (path / "plan.md").write_text("# a plan\n")
    (path / "deeper").mkdir()
    (path / "deeper" / "notes.md").write_text("notes\n")
    return path


async def test_a_session_goes_with_its_documents_and_says_what_it_frees(store: FileStore, tmp_path: Path) -> None:
    log, other = await a_session(store, whole_turn(1)), await a_session(store, whole_turn(1))
    await log.enqueue(QueuedPrompt(2, "waits", TIME))
    documents = documents_of(tmp_path, log.id)
    kept = documents_of(tmp_path, other.id)
    expected = size(log.directory) + size(documents)
    (remains,) = await store.measure([log.id])
    assert (remains.bytes, remains.documents, remains.queued) == (expected, 2, 1)
    assert await store.delete(log.id, log) == expected
    assert not log.directory.exists() and not documents.exists() and kept.exists()
    assert [one.id for one in await store.list_metadata()] == [other.id]
    assert [path.name for path in log.directory.parent.iterdir()] == [other.id]
    for again in (store.open(log.id), store.delete(log.id, log), log.append(whole_turn(2)), log.page(None, 5)):
        with pytest.raises(SessionNotFound):
            await again
    with pytest.raises(SessionNotFound):
        await log.save_metadata(log.metadata)


async def test_an_open_one_is_removed_by_its_owner_alone(store: FileStore) -> None:
    log, other = await a_session(store, whole_turn(1)), await a_session(store)
    for wrong in (None, other):
        with pytest.raises(SessionInUse, match="is open"):
            await store.delete(log.id, wrong)
    await log.append(whole_turn(2))


async def test_a_closed_session_goes_too(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    assert await store.delete(log.id, log) > 0
    for wrong in (log.id, "never-was", "../escape", ""):
        with pytest.raises(SessionNotFound):
            await store.delete(wrong)


async def test_forks_stay_whole_and_what_they_share_is_not_freed(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    digest = await log.put_blob(b"x" * 5000)
    fork = ours(await store.fork(log, 1, new_metadata()))
    alone = [one.bytes for one in await store.measure([log.id])]
    both = [one.bytes for one in await store.measure([log.id, fork.id])]
    assert alone == both[:1] and both[0] < 5000 < both[1]
    assert await store.delete(log.id, log) == both[0]
    assert await fork.blob(digest) == b"x" * 5000
    assert await store.delete(fork.id, fork) == both[1]


@pytest.mark.parametrize("call", ["rename", "sync_directory"])
async def test_a_disk_that_fails_leaves_it_there_and_usable(store: FileStore, disk: FailingFiles, call: str) -> None:
    log = await a_session(store, whole_turn(1))
    disk.fails = {call: (0, BROKEN)}
    with pytest.raises(StoreFailed, match="Input/output error"):
        await store.delete(log.id, log)
    disk.fails = {}
    await log.append(whole_turn(2))
    assert [one.id for one in await store.list_metadata()] == [log.id]
    await log.close()
    again = await store.open(log.id)
    assert again.last_turn == 2 and await store.delete(log.id, again) > 0


class Undying(FailingFiles):
    """A disk on which trees cannot be removed."""

    def remove_tree(self, path: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


async def test_what_is_left_of_it_is_removed_at_the_next_start(tmp_path: Path) -> None:
    async with a_store(tmp_path, Undying()) as store:
        log = await a_session(store, whole_turn(1))
        documents = documents_of(tmp_path, log.id)
        freed = size(documents)
        assert await store.delete(log.id, log) == freed
        assert "could not be removed" in store.problems[-1]
        assert await store.list_metadata() == []
        with pytest.raises(SessionNotFound):
            await store.open(log.id)
        left = log.directory.with_name(f".deleted-{log.id}")
        assert left.is_dir()
        documents.mkdir(parents=True, exist_ok=True)
        (documents / "left.md").write_text("left behind by a crash")
    async with a_store(tmp_path) as store:
        assert not left.exists() and not documents.exists() and store.problems == ()


async def test_links_are_never_followed(store: FileStore, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    for how in ("inside", "itself", "sessions", "agentd"):
        log = await a_session(store)
        above = tmp_path / "root" / ".agentd"
        if above.is_symlink():
            above.unlink()
        (above / "sessions").mkdir(parents=True, exist_ok=True)
        if how == "inside":
            (above / "sessions" / log.id).mkdir()
            (above / "sessions" / log.id / "astray").symlink_to(precious)
        elif how == "itself":
            (above / "sessions" / log.id).symlink_to(precious)
        elif how == "sessions":
            (precious / log.id).mkdir()
            (precious / log.id / "file").write_text("precious")
            (above / "sessions").rmdir()
            (above / "sessions").symlink_to(precious)
        else:
            (precious / "sessions" / log.id).mkdir(parents=True)
            (above / "sessions").unlink()
            above.rmdir()
            above.symlink_to(precious)
        before = sorted(precious.rglob("*"))
        await store.delete(log.id, log)
        assert sorted(precious.rglob("*")) == before
        assert not log.directory.exists()


async def test_whoever_opens_it_meanwhile_gets_it_whole_or_not_at_all(tmp_path: Path) -> None:
    from tests.support.disk import Disk

    disk = Disk()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store, whole_turn(1))
        await log.close()
        disk.hold("sessions")
        deleting = asyncio.ensure_future(store.delete(log.id, log))
        assert await asyncio.to_thread(disk.waiting.wait, 10)
        opening, forking = (
            asyncio.ensure_future(store.open(log.id)),
            asyncio.ensure_future(store.fork(log, 1, new_metadata())),
        )
        assert await store.list_metadata() is not None
        assert not opening.done() and not forking.done()
        disk.release()
        assert await deleting > 0
        for late in (opening, forking):
            with pytest.raises(SessionNotFound):
                await late
        assert await store.list_metadata() == []


async def test_a_directory_of_a_new_session_is_not_taken_for_the_deleted_ones(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store, whole_turn(1))
    log.directory.with_name(f".deleted-{log.id}").mkdir()
    documents = documents_of(tmp_path, log.id)
    async with a_store(tmp_path) as store:
        assert documents.exists() and (await store.open(log.id)).last_turn == 1
