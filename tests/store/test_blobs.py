"""Blobs: kept once, durable, whole; and the event log, numbered and read from where a reader left off."""

import asyncio
import hashlib
import json

import pytest

from agentd.errors import InvalidParams, LoadFailed, SessionNotFound, StoreFailed
from agentd.store import eventlog
from agentd.store.project import FileStore
from tests.store.support import BROKEN, FailingFiles, a_session, new_metadata, ours, whole_turn

pytestmark = pytest.mark.anyio


async def test_a_blob_is_kept_once_and_comes_back(store: FileStore, disk: FailingFiles) -> None:
    log = await a_session(store, whole_turn(1))
    data = bytes(range(256)) * 20
    digests = await asyncio.gather(*(log.put_blob(data) for _ in range(6)))
    assert set(digests) == {hashlib.sha256(data).hexdigest()}
    assert [path.name for path in (log.directory / "blobs").iterdir()] == digests[:1]
    assert (log.directory / "blobs" / digests[0]).stat().st_mode & 0o777 == 0o600
    assert await log.blob(digests[0]) == data
    assert await log.put_blob(b"") in [path.name for path in (log.directory / "blobs").iterdir()]
    await log.close()
    assert await (await store.open(log.id)).blob(digests[0]) == data
    with pytest.raises(StoreFailed, match="closed"):
        await log.put_blob(data)


@pytest.mark.parametrize("call", ["write", "sync", "rename", "sync_directory", "create"])
async def test_a_blob_that_cannot_be_kept_leaves_nothing(store: FileStore, disk: FailingFiles, call: str) -> None:
    log = await a_session(store)
    kept = await log.put_blob(b"before")
    disk.fails = {call: (0, BROKEN)}
    with pytest.raises(StoreFailed, match="Failed to save blob: Input/output error"):
        await log.put_blob(b"never")
    disk.fails = {}
    names = {path.name for path in (log.directory / "blobs").iterdir()}
    assert kept in names and not any(name.startswith(".") for name in names)
    again = await log.put_blob(b"never")
    assert await log.blob(again) == b"never"


async def test_a_missing_or_damaged_blob_is_told_as_what_it_is(store: FileStore) -> None:
    log = await a_session(store)
    for wrong in ("0" * 64, "../metadata.json", "", "x"):
        with pytest.raises(InvalidParams, match="no blob"):
            await log.blob(wrong)
    digest = await log.put_blob(b"an image")
    (log.directory / "blobs" / digest).write_bytes(b"an imagf")
    with pytest.raises(LoadFailed, match="damaged"):
        await log.blob(digest)
    assert await log.put_blob(b"an image") == digest
    assert await log.blob(digest) == b"an image"


async def test_a_half_written_blob_is_not_taken_into_a_fork(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    digest = await log.put_blob(b"whole")
    (log.directory / "blobs" / f".new-{digest}-1").write_bytes(b"who")
    fork = ours(await store.fork(log, 1, new_metadata()))
    assert [path.name for path in (fork.directory / "blobs").iterdir()] == [digest]


async def test_events_are_numbered_and_read_on(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(5):
        log.log_event("turn/started", {"turn": number, "body": {"a": 1}, "seq": 99, "crc": "x"})
    first = await log.events(0, 3)
    assert [(one["seq"], one["turn"]) for one in first.events] == [(1, 0), (2, 1), (3, 2)] and first.more
    assert set(first.events[0]) == {"seq", "time", "event", "turn"}
    rest = await log.events(3, 10)
    assert [one["seq"] for one in rest.events] == [4, 5] and not rest.more
    await log.close()
    again = await store.open(log.id)
    again.log_event("turn/ended", {})
    assert [one["seq"] for one in (await again.events(4, 10)).events] == [5, 6]


async def test_a_torn_or_unnumbered_line_costs_itself(store: FileStore) -> None:
    log = await a_session(store)
    log.log_event("one", {})
    await log.close()
    path = log.directory / eventlog.NAME
    path.write_bytes(path.read_bytes() + b'{"time":"t","event":"older kind"}\nrubbish\n{"seq":9,"ti')
    again = await store.open(log.id)
    again.log_event("two", {})
    told = (await again.events(0, 10)).events
    assert [(one["seq"], one["event"]) for one in told] == [(1, "one"), (2, "older kind"), (3, "two")]
    assert json.loads(path.read_bytes().splitlines()[-1])["event"] == "two"


async def test_numbers_go_on_when_the_log_is_full(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "LARGEST", 1000)
    log = await a_session(store)
    for number in range(100):
        log.log_event("step", {"number": number + 1})
        await log.events(0, 1)
    told = (await log.events(0, 1000)).events
    assert [one["seq"] for one in told] == [one["number"] for one in told] and told[-1]["seq"] == 100
    assert 5 < len(told) < 40
    await store.delete(log.id, log)
    with pytest.raises(SessionNotFound):
        await log.events(0, 1)
