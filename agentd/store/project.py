"""The file store of one project: its directory, its sessions' directories, and the threads that write and read them.

Owns the names in ``sessions/``: a session appears and disappears whole. What is inside one is ``session_log``'s.
"""

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentd.core.fold import is_open
from agentd.core.metadata import Metadata
from agentd.core.records import Draft, Record
from agentd.errors import AgentdError, SessionInUse, SessionNotFound, StoreFailed
from agentd.store import closing
from agentd.store.api import Remains, SessionLog
from agentd.store.blobs import link_blobs
from agentd.store.files import Files, loading, saving, words
from agentd.store.fork import copy_through
from agentd.store.identity import Identity
from agentd.store.index.index import FileIndex
from agentd.store.index.reading import records_of
from agentd.store.journal import NAME as JOURNAL
from agentd.store.lane import CLOSED, settled
from agentd.store.load import Loaded, load
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.metadata_file import read_metadata
from agentd.store.removal import DELETED, Removal
from agentd.store.scanned import ScannedIndex
from agentd.store.session_log import FileSessionLog
from agentd.store.transcript import FIRST, Entry, Segment

WRITERS = 4
READERS = 2
_NEW = ".new-"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_NEWER = "a newer version of agentd wrote this store, so it is open for reading only"
T = TypeVar("T")
Fill = Callable[[Files, Path], None]
"""Makes the files of a session in an empty directory, synced. In a worker."""


class FileStore:
    """See ``Store``. ``directory`` is the project's (``projects/<slug>``), ``root`` the workspace root it is of.

    ``home``, a directory above it, is agentd's: it and all between them are nobody else's to read.
    """

    def __init__(self, directory: Path, root: str, *, home: Path | None = None, files: Files | None = None) -> None:
        self._directory = directory
        self._sessions = directory / "sessions"
        self._home = home
        self._files = files or Files()
        self._identity = Identity(self._files, directory, root)
        self._removal = Removal(self._files, self._sessions, Path(root))
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="agentd-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="agentd-read")
        self._newer = False
        self._open: dict[str, FileSessionLog | None] = {}
        self._making: set[str] = set()
        self._listings: list[set[str]] = []
        self._leaving: dict[str, asyncio.Future[None]] = {}
        self._copying: dict[str, set[asyncio.Future[None]]] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self.index = FileIndex(self._files, directory, self._sessions, self, ScannedIndex(self))

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for problems in self._problems.values() for problem in problems)

    def leave_unidentified(self) -> None:
        """Before ``start``: do not record which root this is, so that the next start asks again."""
        self._identity.certain = False

    @property
    def location(self) -> str:
        return str(self._directory)

    async def start(self) -> tuple[str, ...]:
        if self._files.is_directory(self._sessions):
            # Beside what follows: who connects first asks for a list.
            self.index.start()
        in_order = await self._write(self._prepare)
        self.index.start()
        return () if in_order else await self._write(self._tidy_up)

    async def list_metadata(self, only: Collection[str] | None = None) -> Sequence[Metadata]:
        # The files may hold what is not acknowledged yet, or was refused and could not be taken back.
        before, making = dict(self._open), set(self._making)
        removed: set[str] = set()
        self._listings.append(removed)
        try:
            listed, problems = await self._read(partial(self._list, only))
        finally:
            self._listings.remove(removed)
        if only is None:
            self._problems |= {"list": tuple(problems)}
        known = {name: log.metadata for name, log in [*before.items(), *self._open.items()] if log is not None}
        hidden = ((making | self._making) - known.keys()) | removed
        return [known.get(one.id, one) for one in listed if one.id not in hidden]

    async def create(self, metadata: Metadata, drafts: Sequence[Draft]) -> SessionLog:
        first = partial(self._write_first, metadata, Entry.of(drafts))
        return await self._build(metadata.id, first)

    async def fork(self, source: SessionLog, through: int, metadata: Metadata) -> SessionLog:
        if not isinstance(source, FileSessionLog):
            raise StoreFailed("the session is of another store", refused=True)
        async with self._source(source.id):
            copy = partial(self._copy, metadata, source.directory, source.segments, through)
            return await self._build(metadata.id, copy)

    async def receive(self, session_id: str, fill: Fill) -> FileSessionLog:
        """A session whose files ``fill`` makes (an import): built aside, opened, and seen whole or not at all.

        What ``fill`` raises leaves nothing behind.
        """
        return await self._build(session_id, partial(fill, self._files))

    async def open(self, session_id: str) -> SessionLog:
        if not _ID.fullmatch(session_id):
            raise SessionNotFound(session_id)
        await self._left(session_id)
        while (before := self._open.get(session_id)) is not None:
            # Its owner let go of it and is about to close it, or forgot to.
            await before.close()
        with self._claimed(session_id):
            return await self._load(session_id)

    async def measure(self, session_ids: Sequence[str]) -> Sequence[Remains]:
        return await self._read(partial(self._removal.measure, session_ids))

    async def delete(self, session_id: str, owned: SessionLog | None = None) -> int:
        if not _ID.fullmatch(session_id):
            raise SessionNotFound(session_id)
        await self._left(session_id)
        if self._newer:
            raise StoreFailed(_NEWER, refused=True)
        if session_id in self._open and not ((log := self._open[session_id]) and (log is owned or log.closing)):
            raise SessionInUse(f"Session '{session_id[:8]}' is open.", sessionId=session_id)
        left = self._leaving[session_id] = asyncio.get_running_loop().create_future()
        try:
            await self._bury(session_id)
        finally:
            del self._leaving[session_id]
            left.set_result(None)
        freed, problem = await self._write(partial(self._removal.remove, session_id))
        if problem:
            self._problems[f"removal of {session_id}"] = (problem,)
        return freed

    async def _bury(self, session_id: str) -> None:
        """From its last write and copy on, until it is no session any more. Its log stays usable if that fails."""
        log = self._open.get(session_id)
        if log is not None:
            await log.quiet()
        while copying := self._copying.get(session_id):
            await asyncio.wait(copying)
        burying = self._submit(self._writers, partial(self._removal.bury, session_id))
        try:
            await settled(burying)
        finally:
            if burying.exception() is None:
                for listing in self._listings:
                    listing.add(session_id)
                self.index.removed(session_id)
                if log is not None:
                    log.bury()

    async def _left(self, session_id: str) -> None:
        """Until a removal that is under way has succeeded or failed."""
        while leaving := self._leaving.get(session_id):
            await asyncio.shield(leaving)

    @asynccontextmanager
    async def _source(self, session_id: str) -> AsyncIterator[None]:
        """What is copied is not removed meanwhile: the copy is to be whole."""
        await self._left(session_id)
        copied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        copying = self._copying.setdefault(session_id, set())
        copying.add(copied)
        try:
            yield
        finally:
            copying.discard(copied)
            copied.set_result(None)
            if not copying:
                self._copying.pop(session_id, None)

    async def close(self) -> None:
        for log in list(self._open.values()):
            if log is not None:
                await log.close()
        await self.index.close()
        if not self._newer:
            with suppress(StoreFailed):
                await self._write(partial(closing.leave, self._files, self._directory, self._sessions))
        self._writers.shutdown(wait=False)
        self._readers.shutdown(wait=False)

    async def _build(self, session_id: str, fill: Callable[[Path], None]) -> FileSessionLog:
        if not _ID.fullmatch(session_id):
            raise StoreFailed("its id is no id of a session", refused=True)
        with self._claimed(session_id):
            self._making.add(session_id)
            try:
                # Read back in the same piece of work: to hand it over again takes as long as to read it.
                loaded = await self._write(partial(self._made, session_id, fill))
                return await self._opened(session_id, loaded)
            finally:
                self._making.discard(session_id)

    @contextmanager
    def _claimed(self, session_id: str) -> Iterator[None]:
        """One owner at a time: two would give the same numbers."""
        if session_id in self._open:
            raise SessionInUse(f"Session '{session_id[:8]}' is being opened already.", sessionId=session_id)
        self._open[session_id] = None
        try:
            yield
        finally:
            if self._open.get(session_id) is None:
                self._open.pop(session_id, None)

    async def _load(self, session_id: str) -> FileSessionLog:
        loaded = await self._read(partial(self._load_directory, self._sessions / session_id))
        return await self._opened(session_id, loaded)

    async def _opened(self, session_id: str, loaded: Loaded) -> FileSessionLog:
        directory = self._sessions / session_id
        log = FileSessionLog(self._files, directory, loaded, self._writers, self._readers, self)
        await log.recover()
        self._open[session_id] = log
        self.index.opened(log.metadata, log.segments)
        return log

    def closed(self, log: FileSessionLog) -> None:
        if self._open.get(log.id) is log:
            del self._open[log.id]
            self.index.closed(log.id)

    def wrote(self, metadata: Metadata) -> None:
        self.index.wrote(metadata)

    def grew(self, session_id: str) -> None:
        self.index.grew(session_id)

    # What its index asks for.

    async def records(self, session_id: str) -> AsyncIterator[Record]:
        """A session's transcript from its beginning, as far as it is durable and whole. Raises LoadFailed."""
        reading = records_of(self._files, self._sessions / session_id, self.segments_of(session_id))
        while some := await self._read(partial(next, reading, ())):
            for record in some:
                yield record

    def names(self) -> list[str]:
        return [name for name in self._files.directories(self._sessions) if _ID.fullmatch(name)]

    def has(self, session_id: str) -> bool:
        """Whether there is, or is going to be, a session of this id. Blocking: call from a worker. Raises OSError."""
        if not _ID.fullmatch(session_id):
            return False
        return self.held(session_id) or self._files.exists(self._sessions / session_id)

    def held(self, session_id: str) -> bool:
        return session_id in self._open or session_id in self._making or session_id in self._leaving

    def segments_of(self, session_id: str) -> Sequence[Segment] | None:
        log = self._open.get(session_id)
        return log.segments if log is not None else None

    async def _write(self, work: Callable[[], T]) -> T:
        return await settled(self._submit(self._writers, work))

    async def _read(self, work: Callable[[], T]) -> T:
        with loading():
            return await self._submit(self._readers, work)

    def _submit(self, workers: ThreadPoolExecutor, work: Callable[[], T]) -> "asyncio.Future[T]":
        try:
            return asyncio.get_running_loop().run_in_executor(workers, work)
        except RuntimeError:
            raise StoreFailed(CLOSED, refused=True) from None

    # What follows runs in workers.

    def _prepare(self) -> bool:
        """Make what is missing. True: the store was closed in order, and nothing in it waits to be tidied."""
        with saving("project"):
            self._files.ensure_directory(self._sessions)
        self._make_private()
        notes: list[str] = []
        self._newer = self._identity.record(notes)
        self._problems = {"start": tuple(notes)}
        return closing.lift(self._files, self._directory)

    def _tidy_up(self) -> tuple[str, ...]:
        """Finish what was half made and half deleted; the sessions whose turn was cut off."""
        notes: list[str] = []
        with loading():
            names = self._files.directories(self._sessions)
            for name in names:
                if name.startswith(DELETED):
                    self._finish_removal(name.removeprefix(DELETED), notes)
                elif name.startswith(_NEW):
                    self._tidy(self._sessions / name, notes)
            cut_off = self._files.having(self._sessions, names, JOURNAL)
        self._problems["start"] += tuple(notes)
        return tuple(name for name in cut_off if _ID.fullmatch(name))

    def _make_private(self) -> None:
        above = self._directory.parents if self._home is not None and self._home in self._directory.parents else ()
        for directory in (self._sessions, self._directory, *above):
            self._files.make_private(directory)
            if directory == self._home:
                break

    def _tidy(self, directory: Path, notes: list[str]) -> None:
        try:
            self._files.remove_tree(directory)
        except OSError as error:
            notes.append(f"{directory.name} could not be removed: {words(error)}")

    def _finish_removal(self, session_id: str, notes: list[str]) -> None:
        _, problem = self._removal.remove(session_id)
        if problem:
            notes.append(problem)

    def _list(self, only: Collection[str] | None) -> tuple[list[Metadata], list[str]]:
        listed, notes = [], []
        with loading():
            names = self.names() if only is None else [name for name in only if _ID.fullmatch(name)]
        for name in names:
            try:
                listed.append(read_metadata(self._files, self._sessions / name).metadata)
            except (AgentdError, OSError) as error:
                why = error.message if isinstance(error, AgentdError) else words(error)
                notes.append(f"Session '{name[:8]}' could not be read: {why}")
        return listed, notes

    def _load_directory(self, directory: Path) -> Loaded:
        if not self._files.is_directory(directory):
            raise SessionNotFound(directory.name)
        return load(self._files, directory, newer=self._newer)

    def _made(self, session_id: str, fill: Callable[[Path], None]) -> Loaded:
        self._make(session_id, fill)
        return self._load_directory(self._sessions / session_id)

    def _make(self, session_id: str, fill: Callable[[Path], None]) -> None:
        """A session's directory, built aside and renamed: whoever sees it sees all of it."""
        if self._newer:
            raise StoreFailed(_NEWER, refused=True)
        self._identity.settle()
        building, final = self._sessions / f"{_NEW}{session_id}", self._sessions / session_id
        with saving():
            if self._files.exists(final):
                raise FileExistsError(errno.EEXIST, "A session with this id exists")
            if self._files.exists(building):
                self._files.remove_tree(building)
            self._files.mkdir(building)
            made = building
            try:
                fill(building)
                self._files.sync_directory(building)
                self._files.rename(building, final)
                made = final
                self._files.sync_directory(self._sessions)
            except BaseException:
                with suppress(OSError):
                    # Whatever can't be removed now is removed when the store starts, and is no session until then.
                    if made == final:
                        self._files.rename(final, building)
                        made = building
                self._tidy(made, [])
                raise

    def _write_first(self, metadata: Metadata, entry: Entry, directory: Path) -> None:
        self._files.write_new(directory / METADATA, metadata.dump_json())
        starts = [draft for draft in entry.drafts if draft.kind == "turn"]
        if starts and is_open(starts[-1].body):
            self._files.write_new(directory / JOURNAL, b"")
        self._files.write_new(directory / FIRST, b"".join(entry.lines_from(0)))

    def _copy(
        self, metadata: Metadata, source: Path, segments: Sequence[Segment], through: int, directory: Path
    ) -> None:
        if not self._files.is_directory(source):
            raise SessionNotFound(source.name)
        self._files.write_new(directory / METADATA, metadata.dump_json())
        copy_through(self._files, segments, through, directory)
        link_blobs(self._files, source, directory)
