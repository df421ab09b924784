"""The file store of one project: its directory, its sessions' directories, and the threads that write and read them.

Owns the names in ``sessions/``: a session appears and disappears whole. What is inside one is ``session_log``'s.
"""

import asyncio
import errno
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from agentd.core.fold import is_open
from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.errors import AgentdError, SessionInUse, SessionNotFound, StoreFailed
from agentd.store.api import SessionLog
from agentd.store.files import Files, loading, saving, words
from agentd.store.fork import copy_through, link_blobs
from agentd.store.journal import NAME as JOURNAL
from agentd.store.lane import CLOSED, settled
from agentd.store.load import Loaded, load
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.metadata_file import read_metadata
from agentd.store.session_log import FileSessionLog
from agentd.store.transcript import FIRST, Entry, Segment

PROJECT = "project.json"
PROJECT_ID = (".agentd", "project-id")
VERSION = 1
WRITERS = 4
READERS = 2
_NEW, _DELETED = ".new-", ".deleted-"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
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
        self._root = root
        self._home = home
        self._identified = False
        self._identifying = Lock()
        self._files = files or Files()
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="agentd-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="agentd-read")
        self._newer = False
        self._open: dict[str, FileSessionLog | None] = {}
        self._making: set[str] = set()
        self._problems: dict[str, tuple[str, ...]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for problems in self._problems.values() for problem in problems)

    @property
    def location(self) -> str:
        return str(self._directory)

    async def start(self) -> tuple[str, ...]:
        return await self._write(self._start)

    async def list_metadata(self) -> Sequence[Metadata]:
        # The files may hold what is not acknowledged yet, or was refused and could not be taken back.
        before, making = dict(self._open), set(self._making)
        listed, problems = await self._read(self._list)
        self._problems |= {"list": tuple(problems)}
        known = {name: log.metadata for name, log in [*before.items(), *self._open.items()] if log is not None}
        hidden = (making | self._making) - known.keys()
        return [known.get(one.id, one) for one in listed if one.id not in hidden]

    async def create(self, metadata: Metadata, drafts: Sequence[Draft]) -> SessionLog:
        first = partial(self._write_first, metadata, Entry.of(drafts))
        return await self._build(metadata.id, first)

    async def fork(self, source: SessionLog, through: int, metadata: Metadata) -> SessionLog:
        if not isinstance(source, FileSessionLog):
            raise StoreFailed("the session is of another store", refused=True)
        return await self._build(metadata.id, partial(self._copy, metadata, source.directory, source.segments, through))

    async def receive(self, session_id: str, fill: Fill) -> FileSessionLog:
        """A session whose files ``fill`` makes (an import): built aside, opened, and seen whole or not at all.

        What ``fill`` raises leaves nothing behind.
        """
        return await self._build(session_id, partial(fill, self._files))

    async def open(self, session_id: str) -> SessionLog:
        if not _ID.fullmatch(session_id):
            raise SessionNotFound(session_id)
        while (before := self._open.get(session_id)) is not None:
            # Its owner let go of it and is about to close it, or forgot to.
            await before.close()
        with self._claimed(session_id):
            return await self._load(session_id)

    async def close(self) -> None:
        for log in list(self._open.values()):
            if log is not None:
                await log.close()
        self._writers.shutdown(wait=False)
        self._readers.shutdown(wait=False)

    async def _build(self, session_id: str, fill: Callable[[Path], None]) -> FileSessionLog:
        if not _ID.fullmatch(session_id):
            raise StoreFailed("its id is no id of a session", refused=True)
        with self._claimed(session_id):
            self._making.add(session_id)
            try:
                await self._write(partial(self._make, session_id, fill))
                return await self._load(session_id)
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
        directory = self._sessions / session_id
        loaded = await self._read(partial(self._load_directory, directory))
        log = FileSessionLog(self._files, directory, loaded, self._writers, self._readers, self._let_go)
        await log.recover()
        self._open[session_id] = log
        return log

    def _let_go(self, log: FileSessionLog) -> None:
        if self._open.get(log.id) is log:
            del self._open[log.id]

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

    def _start(self) -> tuple[str, ...]:
        with saving("project"):
            self._files.ensure_directory(self._sessions)
        self._make_private()
        notes: list[str] = []
        self._write_project(notes)
        cut_off = []
        with loading():
            for name in self._files.directories(self._sessions):
                directory = self._sessions / name
                if name.startswith((_NEW, _DELETED)):
                    self._tidy(directory, notes)
                elif _ID.fullmatch(name) and self._files.exists(directory / JOURNAL):
                    cut_off.append(name)
        self._problems = {"start": tuple(notes)}
        return tuple(cut_off)

    def _make_private(self) -> None:
        above = self._directory.parents if self._home is not None and self._home in self._directory.parents else ()
        for directory in (self._sessions, self._directory, *above):
            self._files.make_private(directory)
            if directory == self._home:
                break

    def _read_project_id(self) -> str | None:
        """What the root says that it is, wherever it is moved to; None while it says nothing that can be used."""
        try:
            said = self._files.small_file(Path(self._root, *PROJECT_ID), 100).decode("ascii", "replace").strip()
        except OSError:
            return None
        return said if _ID.fullmatch(said) else None

    def _identify(self) -> None:
        """A root is given its id with its first session: after we started. Best effort: the next one tries again."""
        with self._identifying:
            if not self._identified and self._read_project_id() is not None:
                self._write_project([])

    def _write_project(self, notes: list[str]) -> None:
        """Best effort: a store that cannot be written can be read."""
        path = self._directory / PROJECT
        ours = {"version": VERSION, "root": self._root, "project_id": self._read_project_id()}
        try:
            there = json.loads(self._files.contents(path))
        except FileNotFoundError:
            there = {}
        except (OSError, ValueError) as error:
            notes.append(f"{PROJECT} could not be read and was made anew: {error}")
            there = {}
        there = there if isinstance(there, dict) else {}
        version = there.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            self._newer = True
            notes.append("A newer version of agentd wrote this project's sessions: they are open for reading only.")
            return
        wanted = {**there, **{key: value for key, value in ours.items() if value is not None}}
        if wanted != there:
            try:
                self._files.replace(path, json.dumps(wanted, indent=2).encode() + b"\n")
            except OSError as error:
                notes.append(f"{PROJECT} could not be written: {words(error)}")
                return
        self._identified = ours["project_id"] is not None

    def _tidy(self, directory: Path, notes: list[str]) -> None:
        try:
            self._files.remove_tree(directory)
        except OSError as error:
            notes.append(f"{directory.name} could not be removed: {words(error)}")

    def _list(self) -> tuple[list[Metadata], list[str]]:
        listed, notes = [], []
        with loading():
            names = self._files.directories(self._sessions)
        for name in names:
            if not _ID.fullmatch(name):
                continue
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

    def _make(self, session_id: str, fill: Callable[[Path], None]) -> None:
        """A session's directory, built aside and renamed: whoever sees it sees all of it."""
        if self._newer:
            why = "a newer version of agentd wrote this store, so it is open for reading only"
            raise StoreFailed(why, refused=True)
        self._identify()
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
        self._files.write_new(directory / METADATA, metadata.dump_json())
        copy_through(self._files, segments, through, directory)
        link_blobs(self._files, source, directory)
