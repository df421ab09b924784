"""Bringing the index in step with the files, and keeping it there: at the start, after each write, after a stranger.

Owns what is being read and what waits to be. Runs on the event loop in small pieces, so that lists are answered
between them; reads files on a thread of its own.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agentd.core.metadata import Metadata
from agentd.store.files import Files
from agentd.store.index import reading, rows, writing
from agentd.store.index.database import set_meta
from agentd.store.index.gathering import Gathering
from agentd.store.index.reading import Piece
from agentd.store.index.rows import SessionRow
from agentd.store.index.thread import IndexThread
from agentd.store.index.writing import Part
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.transcript import Segment

T = TypeVar("T")
logger = logging.getLogger(__name__)
MERGE_PAGES = 32
CHUNK = 100
NEWEST = 200
"""Sessions: a list is answered when these are in."""
DEAD_LEAST = 5000
"""Documents that are gone while their words are not; more than the living, and the index is made anew."""


class Keeper(Protocol):
    """The store, as its index sees it."""

    def names(self) -> list[str]:
        """The sessions' directories. Blocking. Raises OSError."""

    def held(self, session_id: str) -> bool:
        """It is open or being made: what it says of itself counts, not what its files say."""

    def segments_of(self, session_id: str) -> Sequence[Segment] | None:
        """The durable part of an open session's transcript; None of one that is not open."""


class Upkeep:
    """``listed``: every session has its row. ``swept``: every transcript was read as well."""

    def __init__(self, files: Files, sessions: Path, thread: IndexThread, keeper: Keeper) -> None:
        self._files = files
        self._sessions = sessions
        self._thread = thread
        self._keeper = keeper
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="agentd-index-read")
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="agentd-index-look")
        self._fresher: list[set[str]] = []
        self._reading: set[str] = set()
        self._again: set[str] = set()
        self._following: set[asyncio.Task[None]] = set()
        self.closed = False

    async def bring_in(self, *, all_stamps: bool, newest: asyncio.Event | None = None) -> None:
        """Every session gets its row; ``all_stamps``: also those whose metadata file is another one meanwhile.

        ``newest`` is set when those that were changed last have theirs.
        """
        there = await self.read(self._keeper.names)
        known = await self._thread.ask(reading.all_known)
        gone = {name for name, _ in known}.difference(there)
        gone = {name for name in gone if not self._keeper.held(name)}
        if gone:
            await self._thread.run(partial(_remove_all, sorted(gone)))
        wanted = sorted(set(there).difference(name for name, _ in known))
        if all_stamps:
            wanted += await self._other_stamps([one for one in known if one[0] not in gone])
        if newest is not None and len(wanted) > NEWEST:
            wanted = await self.read(partial(reading.newest_first, self._files, self._sessions, wanted))
            await self.put_rows(wanted[:NEWEST])
            wanted = wanted[NEWEST:]
            newest.set()
        await self.put_rows(wanted)

    async def sweep(self, *, fresh: bool) -> None:
        """Notice what was edited by hand, unless the index is ``fresh``; read what is new in all transcripts."""
        if not fresh:
            await self.put_changed(await self._thread.ask(reading.all_known))
        everything = [name for name, _ in await self._thread.ask(reading.all_known)]
        await self.read_transcripts(everything)

    async def finish(self) -> None:
        """The index was built. It answers all by now; from here on quickly, and a power cut leaves it whole."""
        await self._merge()
        # In this order: what a power cut may have torn is not to be taken for whole.
        await self._thread.settle()
        await self._thread.run(lambda connection: set_meta(connection, building="0"))

    def reads(self, session_id: str) -> bool:
        """Its transcript is one of those that are being read, or wait for it."""
        return session_id in self._reading

    async def put_changed(self, known: Sequence[tuple[str, str]]) -> None:
        """Rows of those whose metadata file is another one than these stamps say."""
        await self.put_rows(await self._other_stamps(known))

    async def _other_stamps(self, known: Sequence[tuple[str, str]]) -> list[str]:
        found: list[str] = []
        while known:
            some, count = await self.read(
                partial(reading.changed, self._files, self._sessions, known, self._keeper.held)
            )
            found += some
            known = known[count:]
        return found

    async def put_rows(self, names: Sequence[str]) -> None:
        """Rows of these sessions from their files, unless somebody wrote them meanwhile."""
        while names:
            fresher: set[str] = set()
            self._fresher.append(fresher)
            try:
                read, count = await self.read(partial(reading.read_rows, self._files, self._sessions, names))
                put = [row for row in read if row.id not in fresher and not self._keeper.held(row.id)]
                names = names[count:]
                # Asked for in the same step as the check: what is noted later is put later.
                await self._thread.run(partial(_put_all, put))
            finally:
                self._fresher.remove(fresher)

    def note(self, metadata: Metadata) -> None:
        """This was just written: the next answer says so."""
        for fresher in self._fresher:
            fresher.add(metadata.id)
        directory = self._sessions / metadata.id
        self._thread.post(partial(_put_written, self._files, directory, metadata))

    def opened(self, metadata: Metadata, segments: Sequence[Segment]) -> None:
        """A session was opened: should a hand have edited it, or should it be new, that is noted."""
        for fresher in self._fresher:
            fresher.add(metadata.id)
        loop = asyncio.get_running_loop()

        def behind() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._follow_unless_closed, metadata.id)

        directory = self._sessions / metadata.id
        self._thread.post(partial(_put_opened, self._files, directory, metadata, segments, behind))

    def _follow_unless_closed(self, session_id: str) -> None:
        if not self.closed:
            self.follow(session_id)

    def follow(self, session_id: str) -> None:
        """Its transcript has grown: read what is new, some time soon."""
        self.spawn(self.read_transcripts([session_id]))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that nobody waits for, but ``settled``."""
        task = asyncio.get_running_loop().create_task(work)
        self._following.add(task)
        task.add_done_callback(self._followed)

    def _followed(self, task: "asyncio.Task[None]") -> None:
        self._following.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, sqlite3.Error):
                self._thread.report(error)
            elif not self.closed:
                logger.warning("the index could not follow: %s", type(error).__name__)

    @property
    def writing(self) -> bool:
        """Rows are being read from files: not all may be in."""
        return bool(self._fresher)

    async def settled(self, seconds: float) -> None:
        """Until what was begun is done, but no longer."""
        if self._following:
            await asyncio.wait(set(self._following), timeout=seconds)

    async def read_transcripts(self, names: Sequence[str]) -> None:
        """Read what is new in these sessions' transcripts. One that is being read is read again afterwards."""
        self._again |= self._reading.intersection(names)
        mine = [name for name in names if name not in self._reading]
        self._reading |= set(mine)
        gathering = Gathering(self._thread)
        try:
            for start in range(0, len(mine), CHUNK):
                known = await self._thread.ask(partial(_progress, mine[start : start + CHUNK]))
                while known:
                    read, count = await self.read(
                        partial(reading.read_pieces, self._files, self._sessions, known, self._keeper.segments_of)
                    )
                    known = known[count:]
                    for piece in read:
                        await self._gather(piece, gathering)
            await gathering.done()
        finally:
            await gathering.leave()
            self._reading -= set(mine)
            again = self._again.intersection(mine)
            self._again -= again
            if again and not self.closed:
                self.spawn(self.read_transcripts(sorted(again)))

    async def _gather(self, piece: Piece, gathering: Gathering) -> None:
        part: Part | None = piece.part
        while part is not None:
            await gathering.add(part)
            more = piece.rest is not None and not part.batch.ends
            part = await self.read(partial(reading.next_part, piece, part)) if more else None

    async def anew(self, session_id: str) -> None:
        """Forget what was read of a transcript that is another one now, and read it."""
        await self._thread.run(partial(_forget, session_id))
        await self.read_transcripts([session_id])

    async def _merge(self) -> None:
        """What many small writes left, put together in small steps."""
        await self._thread.run(partial(_merge_step, -MERGE_PAGES))
        while await self._thread.run(partial(_merge_step, MERGE_PAGES)):
            pass

    async def read(self, work: Callable[[], T]) -> T:
        """On the thread that reads files. Raises OSError."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    async def look(self, work: Callable[[], T]) -> T:
        """Likewise, for somebody who waits for an answer: not behind what is being read. Raises OSError."""
        return await asyncio.get_running_loop().run_in_executor(self._looker, work)

    async def close(self) -> None:
        """What is being read is let go of."""
        self.closed = True
        for task in self._following:
            task.cancel()
        if self._following:
            await asyncio.wait(self._following)
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._looker.shutdown(wait=False, cancel_futures=True)


def _put_all(put: Sequence[SessionRow], connection: sqlite3.Connection) -> None:
    rows.put_all(connection, put)


def _put_written(files: Files, directory: Path, metadata: Metadata, connection: sqlite3.Connection) -> None:
    rows.put_all(connection, [reading.row_of(files, directory, metadata)])


def _put_opened(
    files: Files,
    directory: Path,
    metadata: Metadata,
    segments: Sequence[Segment],
    behind: Callable[[], None],
    connection: sqlite3.Connection,
) -> None:
    known = connection.execute("SELECT stamp, log_stamp FROM sessions WHERE id = ?", (metadata.id,)).fetchone()
    if known is None or known[0] != reading.stamp(files, directory / METADATA):
        rows.put_all(connection, [reading.row_of(files, directory, metadata)])
    if known is None or known[1] != reading.log_stamp(files, segments):
        behind()


def _remove_all(names: Sequence[str], connection: sqlite3.Connection) -> None:
    for name in names:
        rows.remove(connection, name)


def _progress(names: Sequence[str], connection: sqlite3.Connection) -> list[tuple[str, writing.Progress]]:
    return writing.progress_of(connection, names)


def _forget(session_id: str, connection: sqlite3.Connection) -> None:
    known = writing.progress(connection, session_id)
    if known is not None:
        writing.forget(connection, known.number)


def _merge_step(pages: int, connection: sqlite3.Connection) -> bool:
    before = connection.total_changes
    connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before >= 2


def worn(connection: sqlite3.Connection) -> bool:
    """Whether most of what the words point to is gone, so that the index is better made anew."""
    (live,) = connection.execute("SELECT count(*) FROM docs").fetchone()
    (ever,) = connection.execute("SELECT count(*) FROM words_docsize").fetchone()
    dead = int(ever) - int(live)
    return dead > DEAD_LEAST and dead > int(live)
