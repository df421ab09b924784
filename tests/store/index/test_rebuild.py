"""While the index is made anew, people are answered: from what is there, saying so, and never with what is not so."""

import asyncio
import os
from pathlib import Path
from threading import Event

import pytest

from agentd.core import lookup
from agentd.core.words import terms_of
from agentd.protocol import ListParams, Session
from agentd.store.files import Files
from agentd.store.index.upkeep import NEWEST
from tests.store.index.support import found, index_file, make, names, opened, sessions

pytestmark = pytest.mark.anyio
LIMIT = 10.0 * float(os.environ.get("AGENTD_TEST_PATIENCE", "1"))


class Held(Files):
    """Reads nothing of one session until ``released``: what is read before it is in, what comes after it is not."""

    def __init__(self) -> None:
        self.session, self.file = "", ""
        self.held, self.released = Event(), Event()

    def open_read(self, path: Path) -> int:
        if path.parent.name == self.session and path.name == self.file:
            self.held.set()
            self.released.wait(LIMIT)
        return super().open_read(path)


@pytest.fixture
async def many(tmp_path: Path) -> list[str]:
    """More sessions than a first page needs, the oldest first, each with a word of its own; and no index."""
    async with opened(tmp_path) as store:
        ids = [await make(store, f"name {n}", f"common word{n}", last_active=_time(n)) for n in range(NEWEST + 3)]
    for number, session in enumerate(ids):
        os.utime(sessions(tmp_path) / session, (number, number))
    index_file(tmp_path).unlink()
    return ids


def _time(number: int) -> str:
    return f"2026-02-01T{number // 60:02d}:{number % 60:02d}:00.000Z"


async def test_while_rows_are_missing(tmp_path: Path, many: list[str]) -> None:
    files = Held()
    files.session, files.file = many[0], "metadata.json"
    async with opened(tmp_path, files) as store:
        try:
            assert await asyncio.to_thread(files.held.wait, LIMIT)
            page = await asyncio.wait_for(store.index.page(ListParams(limit=50)), LIMIT)
            shown = [Session.model_validate_json(row.json).id for row in page.rows]
            assert (page.indexing, shown[:50]) == (True, many[:-51:-1])
            assert not store.index.complete
            active, archived = await asyncio.wait_for(store.index.counts(), LIMIT)
            assert (active >= NEWEST, active < len(many), archived) == (True, True, 0)
            matches = await asyncio.wait_for(store.index.search(terms_of("common"), "all", 10), LIMIT)
            assert matches.indexing
            assert not files.released.is_set()
            # The one that is missing, by its id, whole or in part.
            for wanted in (many[0], many[0][:8], many[0][:4]):
                known = await asyncio.wait_for(store.index.known_as(wanted), LIMIT)
                assert many[0] in [one.id for one in known]
            by_name = asyncio.ensure_future(store.index.known_as("name 0"))
            latest = asyncio.ensure_future(store.index.completed())
            await asyncio.wait_for(store.index.counts(), LIMIT)
            # A name may be that of any, so nobody is told that there is none.
            assert not by_name.done() and not latest.done()
        finally:
            files.released.set()
        assert [one.id for one in await asyncio.wait_for(by_name, LIMIT)] == [many[0]]
        await asyncio.wait_for(latest, LIMIT)
        page = await store.index.page(ListParams(limit=50))
        assert (page.indexing, page.total) == (False, len(many))
        assert [hit.row.id for hit in await found(store, "word0")] == [many[0]]


async def test_while_transcripts_are_read(tmp_path: Path, many: list[str]) -> None:
    files = Held()
    files.session, files.file = many[0], "transcript.jsonl"
    async with opened(tmp_path, files) as store:
        try:
            assert await asyncio.to_thread(files.held.wait, LIMIT)
            assert len(await asyncio.wait_for(names(store, limit=1000), LIMIT)) == len(many)
            assert not (await store.index.page(ListParams())).indexing
            short = await asyncio.wait_for(store.index.known_as(many[0][:8]), LIMIT)
            assert lookup.find(many[0][:8], short).id == many[0]
            assert (await asyncio.wait_for(store.index.search((), "all", 10), LIMIT)).indexing
        finally:
            files.released.set()
        assert [hit.row.id for hit in await found(store, "word0")] == [many[0]]
        matches = await store.index.search(terms_of("word0"), "all", 10)
        assert not matches.indexing


async def test_what_a_long_session_took_is_not_answered_before_all_of_it_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(20):
            await make(store, f"other {number}", "word")
        long = await make(store, "long", *(f"prompt {number} " + "word " * 50 for number in range(800)))
    index_file(tmp_path).unlink()
    async with opened(tmp_path) as store:
        use = await store.index.use(long)
        assert sum(row.turns for row in use.rows) == 800
