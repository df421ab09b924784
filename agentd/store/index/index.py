"""The file store's ``SessionIndex``. Owns when the index is asked, when it is waited for, and what is done when SQLite
reports anything: the file is thrown away, made anew, and asked again. Called from the event loop.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentd.core.lookup import Known
from agentd.core.metadata import Metadata
from agentd.core.places import Place
from agentd.core.words import Term
from agentd.errors import LoadFailed
from agentd.protocol import ListParams, ListStatus, Session
from agentd.store.files import Files, loading
from agentd.store.finding import Matches, Noticed, Row, Selection, SessionIndex, Use
from agentd.store.index import ids, listing, reading, rows, searching, using
from agentd.store.index.snippets import read_back
from agentd.store.index.thread import IndexThread, Work
from agentd.store.index.upkeep import Keeper, Upkeep, worn
from agentd.store.index.watch import Watch
from agentd.store.names import ID
from agentd.store.transcript import Segment

T = TypeVar("T")
logger = logging.getLogger(__name__)
LIVES = 3
"""Times that the index is made anew before lists go over the files instead."""
SWEEP_SECONDS = 2.0
FOLLOW_SECONDS = 1.0
"""How long a search waits for what was said just now."""


class FileIndex:
    """``sessions`` is the directory of the sessions, ``plain`` what answers if no index can be had."""

    def __init__(self, files: Files, directory: Path, sessions: Path, keeper: Keeper, plain: SessionIndex) -> None:
        self._files = files
        self._sessions = sessions
        self._keeper = keeper
        self._plain = plain
        self._thread = IndexThread(files, directory, self._failed)
        self._upkeep = Upkeep(files, sessions, self._thread, keeper)
        self._building: asyncio.Task[None] | None = None
        self._newest = asyncio.Event()
        self._listed = asyncio.Event()
        self._swept = asyncio.Event()
        self._hurry = asyncio.Event()
        self._totals = listing.Totals()
        self._hopeless = False
        self._closed = False
        self._watch: Watch | None = None

    def start(self) -> None:
        """Begin to bring it in step, in the background."""
        if self._building is None and not self._closed:
            self._building = asyncio.get_running_loop().create_task(self._build(anew=False))

    @property
    def complete(self) -> bool:
        return self._listed.is_set()

    async def completed(self) -> None:
        self.start()
        await self._when(self._listed)

    async def page(self, asked: ListParams, without: Collection[str] = ()) -> Selection:
        self.start()
        await self._when(self._newest)
        indexing = not self._listed.is_set()
        selection = await self._ask(
            lambda connection: listing.page(connection, asked, without, self._totals, complete=not indexing),
            lambda: self._plain.page(asked, without),
            self._newest,
        )
        return replace(selection, indexing=indexing)

    async def known_as(self, wanted: str) -> Sequence[Known]:
        if not self._listed.is_set() and ID.fullmatch(wanted) and self._files.is_directory(self._sessions / wanted):
            # Whoever names a session by its full id does not wait until all have been looked at.
            return [Known(wanted, None, None)]
        if not self._listed.is_set() and ids.may_begin_one(wanted):
            # Nor does who names one by a part of its id. All others may be names, and of more than one.
            with loading():
                there = await self._upkeep.look(self._keeper.names)
            if known := ids.meant(wanted, there):
                return known
        return await self._ask(
            lambda connection: listing.known_as(connection, wanted), lambda: self._plain.known_as(wanted)
        )

    async def oldest(self, until: str, limit: int, after: Place | None = None) -> Sequence[Row]:
        return await self._ask(
            lambda connection: listing.oldest(connection, until, limit, after),
            lambda: self._plain.oldest(until, limit, after),
        )

    async def imported(self) -> Sequence[Session]:
        return await self._ask(listing.imported, self._plain.imported)

    async def counts(self) -> tuple[int, int]:
        return await self._ask(listing.counts, self._plain.counts, self._newest)

    async def search(
        self, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None = None
    ) -> Matches:
        self._hurry.set()
        if self._swept.is_set():
            await self._followed()
        found = await self._ask(
            lambda connection: searching.search(connection, terms, status, limit, after), _nothing, self._newest
        )
        if self._hopeless:
            return await self._plain.search(terms, status, limit, after)
        with loading():
            hits, stale = await self._upkeep.look(partial(read_back, self._files, self._sessions, found.matches, terms))
        for session_id in stale:
            self._upkeep.spawn(self._upkeep.anew(session_id))
        return Matches(tuple(hits), found.more, indexing=not self._swept.is_set())

    async def use(self, session_id: str | None = None) -> Use:
        self.start()
        self._hurry.set()
        if session_id is None:
            await self._when(self._swept)
        else:
            with suppress(sqlite3.Error):
                await self._when(self._listed)
                if self._upkeep.reads(session_id):
                    await self._when(self._swept)
                await self._upkeep.read_transcripts([session_id])
        await self._followed()
        return await self._ask(
            lambda connection: using.use(connection, session_id), lambda: self._plain.use(session_id)
        )

    def watch(self, noticed: Noticed) -> None:
        self.start()
        if self._watch is None:
            self._watch = Watch(self._sessions, self._upkeep, self._thread, self._keeper, noticed, self._listed)

    def wrote(self, metadata: Metadata) -> None:
        """A session's metadata was written."""
        if self._building is not None:
            self._upkeep.note(metadata)

    def opened(self, metadata: Metadata, segments: Sequence[Segment]) -> None:
        """A session was opened, or made: as it is now, should the index know it as something else."""
        if self._building is not None and not self._closed:
            self._upkeep.opened(metadata, segments)

    def grew(self, session_id: str) -> None:
        """A turn ended, or a mark was set: there is more in the transcript."""
        if self._building is not None and self._listed.is_set() and not self._closed:
            self._upkeep.follow(session_id)

    def closed(self, session_id: str) -> None:
        """A session that was open is not any more."""
        if self._watch is not None:
            self._watch.let_go(session_id)

    def removed(self, session_id: str) -> None:
        """The session's directory is gone."""
        if self._building is not None:
            self._thread.post(lambda connection: rows.remove(connection, session_id))

    async def close(self) -> None:
        """Its rows are in step with the files, if they were by now; else the next start looks at all of them first."""
        if self._closed:
            return
        if self._building is not None and not self._hopeless:
            await self._upkeep.settled(FOLLOW_SECONDS)
        self._closed = True
        if self._watch is not None:
            self._watch.close()
        if self._building is not None:
            clean = self._listed.is_set() and not self._hopeless and not self._upkeep.writing
            built = clean and self._swept.is_set()
            self._building.cancel()
            await asyncio.wait([self._building])
            self._in()
            self._swept.set()
            await self._upkeep.close()
            await self._thread.close(clean=clean, built=built, names=self._names_stamp())

    async def _ask(self, work: Work[T], plainly: Callable[[], Awaitable[T]], after: asyncio.Event | None = None) -> T:
        """``after``: what is waited for before; that all sessions are there, if nothing else is said."""
        for _ in range(LIVES):
            self.start()
            await self._when(after or self._listed)
            if self._hopeless:
                break
            life = self._thread.life
            try:
                return await self._thread.ask(work)
            except sqlite3.Error as error:
                self._failed(error, life)
            except RuntimeError:
                raise LoadFailed("the store is closed") from None
        return await plainly()

    async def _followed(self) -> None:
        """Until what was said so far is read, for a moment at most."""
        await self._ask(lambda _: None, _none, self._newest)
        await self._upkeep.settled(FOLLOW_SECONDS)

    async def _when(self, event: asyncio.Event) -> None:
        await event.wait()
        if self._closed:
            raise LoadFailed("the store is closed")

    def _failed(self, error: sqlite3.Error, life: int) -> None:
        """On the loop. Told by everyone who met it; the first one counts."""
        if self._closed or life != self._thread.life:
            return
        logger.warning("the index is made anew: %s", error)
        self._newest.clear()
        self._listed.clear()
        self._swept.clear()
        before, self._building = self._building, None
        if before is not None:
            before.cancel()
        self._totals = listing.Totals()
        self._thread.life += 1
        self._building = asyncio.get_running_loop().create_task(self._build(anew=True))

    async def _build(self, *, anew: bool) -> None:
        life = 0
        try:
            if self._thread.life > LIVES:
                raise sqlite3.OperationalError("no index can be had")
            meta = await self._thread.open(reading.boot(), anew=anew)
            life = self._thread.life
            fresh = meta.get("building") == "1"
            clean = meta.get("clean") == "1" and not fresh
            if not clean or meta.get("names") != self._names_stamp():
                await self._upkeep.bring_in(all_stamps=not clean, newest=self._newest if fresh else None)
            self._in()
            if self._watch is not None:
                self._upkeep.spawn(self._watch.compare())
            if clean:
                # Who has just started the daemon wants a list: what a hand edited meanwhile is looked for after that.
                with suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP_SECONDS):
                        await self._hurry.wait()
            await self._upkeep.sweep(fresh=fresh)
            self._swept.set()
            if fresh:
                await self._upkeep.finish()
            if await self._thread.run(worn):
                raise sqlite3.DatabaseError("most of its words are of what is gone")
        except sqlite3.Error as error:
            if self._thread.life > LIVES:
                self._give_up(error)
            else:
                self._failed(error, life or self._thread.life)
        except OSError as error:
            # The sessions cannot be read: lists say so themselves, for as long as that is so.
            self._give_up(error)
        except Exception as error:
            # A mistake of ours about what somebody's file may say: lists go over the files, and nobody waits for ever.
            logger.exception("the index cannot be made")
            self._give_up(error)

    def _names_stamp(self) -> str:
        """Another one as soon as a session comes, goes or is renamed."""
        with suppress(OSError):
            return str(self._files.stat(self._sessions).st_mtime_ns)
        return ""

    def _give_up(self, error: Exception) -> None:
        logger.warning("no index: %s", error)
        self._hopeless = True
        self._in()
        self._swept.set()

    def _in(self) -> None:
        self._listed.set()
        self._newest.set()


async def _none() -> None:
    return None


async def _nothing() -> searching.Found:
    return searching.Found([], False)
