"""The mark of a store that was closed in order: what it spares the next start, and when it is not left or believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentd.store.closing import NAME
from agentd.store.project import FileStore
from tests.store.support import new_metadata, start_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[FileStore, tuple[str, ...]]]:
    store = FileStore(directory, "/root")
    yield store, await store.start()
    await store.close()


async def begun(store: FileStore) -> str:
    """A session whose turn is under way."""
    log = await store.create(new_metadata(), ())
    await log.append(start_of(1, "x"))
    return log.id


async def test_closed_in_order_and_opened_again(tmp_path: Path) -> None:
    async with opened(tmp_path):
        assert not (tmp_path / NAME).exists()
    assert (tmp_path / NAME).exists()
    async with opened(tmp_path) as (_, cut_off):
        assert cut_off == ()
        assert not (tmp_path / NAME).exists()


async def test_a_turn_that_was_not_ended_keeps_the_mark_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _):
        session = await begun(store)
    assert not (tmp_path / NAME).exists()
    async with opened(tmp_path) as (_, cut_off):
        assert cut_off == (session,)


async def test_what_waits_to_be_removed_keeps_the_mark_away(tmp_path: Path) -> None:
    async with opened(tmp_path):
        (tmp_path / "sessions" / ".new-x").mkdir()
    assert not (tmp_path / NAME).exists()
    async with opened(tmp_path):
        assert not (tmp_path / "sessions" / ".new-x").exists()


@pytest.mark.parametrize("said", [b"", b"another life", b"x" * 5000])
async def test_a_mark_of_another_life_is_not_believed(tmp_path: Path, said: bytes) -> None:
    async with opened(tmp_path) as (store, _):
        session = await begun(store)
    (tmp_path / NAME).write_bytes(said)
    async with opened(tmp_path) as (_, cut_off):
        assert cut_off == (session,)
