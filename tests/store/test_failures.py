"""A disk that fails: never silent, never acknowledged, nothing lost that was, and the session usable right after."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from agentd.core.records import mark_draft
from agentd.errors import LoadFailed, StoreFailed
from agentd.protocol import Item
from agentd.store.api import QueuedPrompt, SessionLog
from agentd.store.project import FileStore
from agentd.store.session_log import FileSessionLog
from tests.store.support import (
    BROKEN,
    FULL,
    TIME,
    FailingFiles,
    a_session,
    a_store,
    end_of,
    new_metadata,
    numbers,
    ours,
    start_of,
    texts,
    whole_turn,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("sync", BROKEN, "Input/output error"),
        ("write", FULL, "No space left on device"),
        ("write", errno.EDQUOT, "quota"),
    ],
)
async def test_a_failed_append_is_told_and_never_shows_up(
    store: FileStore, disk: FailingFiles, call: str, error: int, said: str
) -> None:
    log = await a_session(store)
    await log.append(whole_turn(1))
    disk.fails = {call: (0, error)}
    with pytest.raises(StoreFailed, match=said):
        await log.append(whole_turn(2, "a ghost"))
    with pytest.raises(StoreFailed, match=said):
        await log.append(whole_turn(2, "a ghost"))
    assert log.last_turn == 1 and numbers((await log.page(None, 9)).turns) == [1]
    disk.fails = {}
    await log.append(whole_turn(3))
    assert [path.name for path in log.directory.glob("transcript*")] != ["transcript.jsonl"]
    for _ in range(2):
        assert numbers((await log.page(None, 9)).turns) == [1, 3]
        assert numbers((await log.conversation(10_000)).turns) == [1, 3]
        assert log.last_turn == 3 and log.problems == ()
        await log.close()
        log = ours(await store.open(log.id))
    fork = await store.fork(log, 3, new_metadata())
    assert numbers((await fork.page(None, 9)).turns) == [1, 3] and fork.problems == ()


async def test_a_segment_that_failed_is_not_touched_again(store: FileStore, disk: FailingFiles) -> None:
    log = await a_session(store)
    for number in range(1, 8, 2):
        await log.append(whole_turn(number))
        disk.fails = {"sync": (0, BROKEN)}
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(number + 1))
        disk.fails = {}
    failed = {path.name: path.read_bytes() for path in log.directory.glob("transcript*")}
    await log.append(whole_turn(9))
    assert {name: (log.directory / name).read_bytes() for name in failed} == failed
    assert numbers((await log.page(None, 9)).turns) == [1, 3, 5, 7, 9]
    assert numbers((await log.page(5, 1)).turns) == [3]


async def test_all_who_waited_in_a_failed_batch_are_told_and_those_after_are_not(
    store: FileStore, disk: FailingFiles
) -> None:
    log = await a_session(store)
    # The first append is under way alone; the others wait and go out together, and only their sync fails.
    disk.fails = {"sync": (1, BROKEN)}
    failed: list[int] = []

    async def append(number: int) -> None:
        try:
            await log.append(whole_turn(number))
        except StoreFailed:
            failed.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(1, 6):
            tasks.start_soon(append, number)
    assert failed == [2, 3, 4, 5]
    disk.fails = {}
    await log.append(whole_turn(6))
    assert numbers((await log.page(None, 9)).turns) == [1, 6]


async def test_a_full_disk_is_not_filled_with_names(store: FileStore, disk: FailingFiles) -> None:
    log = await a_session(store)
    disk.fails = {"write": (0, FULL)}
    for _ in range(20):
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(1))
    assert len(list(log.directory.glob("transcript*"))) == 1


Change = Callable[[FileSessionLog], Awaitable[None]]
CHANGES: dict[str, Change] = {
    "append": lambda log: log.append(start_of(2)),
    "metadata": lambda log: log.save_metadata(log.metadata.changed(name="new")),
    "enqueue": lambda log: log.enqueue(QueuedPrompt(9, "later", TIME)),
    "dequeue": lambda log: log.dequeue(5),
}


@pytest.mark.parametrize("call", ["write", "sync", "sync_directory", "create", "append_to", "rename"])
@pytest.mark.parametrize("what", CHANGES)
async def test_whatever_fails_what_was_before_still_is(tmp_path: Path, what: str, call: str) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        log = await a_session(store)
        await log.append(whole_turn(1))
        await log.enqueue(QueuedPrompt(5, "waits", TIME))
        before = (log.last, log.metadata, log.queued)
        disk.fails = {call: (0, BROKEN)}
        try:
            await CHANGES[what](log)
        except StoreFailed as error:
            assert error.message.startswith("Failed to save") and "Input/output error" in error.message
            assert (log.last, log.metadata, log.queued) == before
            disk.fails = {}
            await CHANGES[what](log)
        disk.fails = {}
        after = (log.last_turn, log.metadata, log.queued)
        await log.close()
        again = await store.open(log.id)
        assert (again.last_turn, again.metadata, again.queued) == after and again.problems == ()


@pytest.mark.parametrize("call", ["write", "sync", "sync_directory", "create", "rename"])
async def test_a_session_that_could_not_be_made_is_not_there(
    store: FileStore, disk: FailingFiles, call: str, tmp_path: Path
) -> None:
    source = await a_session(store, whole_turn(1))
    makes: list[Callable[[], Awaitable[SessionLog]]] = [
        lambda: store.create(new_metadata(), start_of(1)),
        lambda: store.fork(source, 1, new_metadata()),
    ]
    for make in makes:
        for after in range(4):
            disk.fails = {call: (after, FULL)}
            listed = len(await store.list_metadata())
            try:
                await make()
            except StoreFailed as error:
                assert "No space left" in error.message
                assert len(await store.list_metadata()) == listed
            disk.fails = {}
    async with a_store(tmp_path) as again:
        assert not again.problems
    assert not list((tmp_path / "project" / "sessions").glob(".*"))


async def test_streamed_text_that_cannot_be_kept_is_told(store: FileStore, disk: FailingFiles) -> None:
    log = await a_session(store)
    await log.append(start_of(1))
    log.journal_start(1, Item(id="1.2", kind="text"))
    log.journal_delta(1, "1.2", "kept, ")
    disk.fails = {"write": (0, FULL)}
    with pytest.raises(StoreFailed, match="No space left"):
        log.journal_delta(1, "1.2", "never shown, ")
    disk.fails = {}
    log.journal_delta(1, "1.2", "kept too")
    await log.close()
    again = await store.open(log.id)
    assert texts(again.last) == ["prompt 1", "kept, kept too"]


async def test_a_cut_off_turn_on_a_full_disk_can_be_read_and_is_ended_later(
    store: FileStore, disk: FailingFiles
) -> None:
    log = await a_session(store)
    await log.append(start_of(1))
    log.journal_start(1, Item(id="1.2", kind="text"))
    log.journal_delta(1, "1.2", "half a rep")
    await log.close()
    disk.fails = {"write": (0, FULL)}
    log = ours(await store.open(log.id))
    assert texts(log.last) == ["prompt 1", "half a rep"] and "No space left" in log.problems[0]
    (turn,) = (await log.page(None, 5)).turns
    assert texts(turn) == ["prompt 1", "half a rep"] and turn.status == "interrupted"
    with pytest.raises(StoreFailed):
        await log.append(whole_turn(2))
    disk.fails = {}
    await log.append(whole_turn(2))
    log.journal_clear()
    await log.close()
    again = await store.open(log.id)
    assert texts((await again.page(None, 5)).turns[0]) == ["prompt 1", "half a rep"]
    assert numbers((await again.page(None, 5)).turns) == [1, 2] and again.problems == ()


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_cancelling_waits_until_the_write_is_decided(store: FileStore, way: str) -> None:
    log = await a_session(store)
    ended = asyncio.Event()

    async def append() -> None:
        try:
            await log.append(whole_turn(1))
        finally:
            # Decided: what is in memory is what is on disk.
            assert log.last_turn == 1
            ended.set()

    if way == "scope":
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(append)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    else:
        task = asyncio.ensure_future(append())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended.is_set()
    await log.append(whole_turn(2))
    assert numbers((await log.page(None, 5)).turns) == [1, 2]


async def test_what_a_newer_version_wrote_is_only_read(store: FileStore) -> None:
    log = await a_session(store)
    await log.append([*whole_turn(1), mark_draft("clear", 0)])
    await log.save_metadata(log.metadata.changed(version=2, name="from the future"))
    await log.close()
    before = {path: path.read_bytes() for path in log.directory.iterdir()}
    again = ours(await store.open(log.id))
    assert again.read_only and again.metadata.name == "from the future"
    assert numbers((await again.page(None, 5)).turns) == [1]
    for change in CHANGES.values():
        with pytest.raises(StoreFailed, match="newer version"):
            await change(again)
    with pytest.raises(StoreFailed, match="newer version"):
        again.journal_start(2, Item(id="2.1", kind="text"))
    again.log_event("x", {})
    await again.close()
    assert {path: path.read_bytes() for path in log.directory.iterdir()} == before


async def test_a_store_of_a_newer_version_is_only_read(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store, whole_turn(1))
    project = tmp_path / "project" / "project.json"
    project.write_text('{"version": 2, "root": "elsewhere"}')
    async with a_store(tmp_path) as store:
        assert "newer version" in store.problems[0]
        again = await store.open(log.id)
        assert again.last_turn == 1
        with pytest.raises(StoreFailed, match="newer version"):
            await again.append(whole_turn(2))
        with pytest.raises(StoreFailed, match="newer version"):
            await store.create(new_metadata(), [])
    assert project.read_text() == '{"version": 2, "root": "elsewhere"}'


async def test_planted_links_are_not_followed(store: FileStore, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    log = await a_session(store)
    for name in ("journal.jsonl", "queue.jsonl", "events.jsonl", ".metadata.json.new", "transcript.1.jsonl"):
        (log.directory / name).symlink_to(victim)
    with pytest.raises(StoreFailed):
        log.journal_start(1, Item(id="1.1", kind="text"))
    with pytest.raises(StoreFailed):
        await log.enqueue(QueuedPrompt(1, "x", TIME))
    await log.save_metadata(log.metadata.changed(name="safe"))
    log.log_event("x", {})
    # Somebody else writes to the transcript: we go on in a segment of our own, past the planted name.
    (log.directory / "transcript.jsonl").write_text("")
    await log.append(whole_turn(1))
    (log.directory / "transcript.jsonl").write_text("xx\n")
    await log.append(whole_turn(2))
    await log.close()
    assert victim.read_text() == "untouched"
    assert [one.name for one in await store.list_metadata()] == ["safe"]


async def test_a_transcript_changed_behind_our_back_is_not_appended_to(store: FileStore) -> None:
    log = await a_session(store)
    for number in (1, 2):
        await log.append(whole_turn(number))
    path = log.directory / "transcript.jsonl"
    kept = b"".join(path.read_bytes().splitlines(keepends=True)[:4])
    path.unlink()
    path.write_bytes(kept)
    await log.append(whole_turn(3))
    assert numbers((await log.page(None, 5)).turns) == [1, 3]
    path.unlink()
    await log.append(whole_turn(4))
    assert numbers((await log.page(None, 5)).turns) == [3, 4]


async def test_a_pipe_in_a_files_place_blocks_nobody(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    (log.directory / "transcript.jsonl").unlink()
    os.mkfifo(log.directory / "transcript.jsonl")
    with anyio.fail_after(20), pytest.raises(LoadFailed, match="Not a regular file"):
        await store.open(log.id)
    assert len(await store.list_metadata()) == 1


FILLING = """
import asyncio, resource, sys
from pathlib import Path
from agentd.errors import StoreFailed
from tests.store.support import a_session, a_store, whole_turn

async def main() -> None:
    async with a_store(Path(sys.argv[1])) as store:
        log = await a_session(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        kept, failed = [], []
        for number in range(1, 60):
            try:
                await log.append(whole_turn(number, reply="x" * 1000))
                kept.append(number)
            except StoreFailed as error:
                assert "File too large" in error.message, error.message
                failed.append(number)
        page = await log.page(None, 100)
        assert [turn.number for turn in page.turns] == kept, (page, kept)
        assert failed and len(kept) > 40
        print(log.id, *kept)

asyncio.run(main())
"""


async def test_a_real_limit_of_the_system(tmp_path: Path) -> None:
    """The system itself refuses: short writes and all."""
    run = [sys.executable, "-c", FILLING, str(tmp_path)]
    done = await anyio.run_process(run, check=False, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    session_id, *kept = done.stdout.decode().split()
    async with a_store(tmp_path) as store:
        log = await store.open(session_id)
        assert numbers((await log.page(None, 100)).turns) == [int(number) for number in kept]
        assert log.problems == ()


async def test_ended_by_hand_in_the_middle_of_failures(store: FileStore, disk: FailingFiles) -> None:
    """A new segment whose own first write fails, again and again, voids nothing that was acknowledged."""
    log = await a_session(store)
    await log.append([*start_of(1), *end_of(1)])
    for call in ("sync", "sync_directory", "create", "write"):
        disk.fails = {call: (0, BROKEN)}
        for _ in range(2):
            with pytest.raises(StoreFailed):
                await log.append(whole_turn(2))
    disk.fails = {}
    await log.append(whole_turn(3))
    await log.close()
    log = ours(await store.open(log.id))
    assert numbers((await log.page(None, 5)).turns) == [1, 3] and log.problems == ()
