"""Indexes that are made for a while of other projects, whose own is missing, was not left whole, or is behind.

Owns their number, their thread and their end: one thread makes them all, in turns and small pieces, for as long as
somebody asks; the next one who asks is answered. Called from any thread; nothing of the other project is changed.
"""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from agentd.store.files import Files
from agentd.store.index import reading, rows, writing
from agentd.store.index.database import NAME, add_words, take_over, temporary
from agentd.store.index.writing import Part
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.names import ID

T = TypeVar("T")
MOST = 8
"""Projects that have one at a time."""
KEEP_SECONDS = 300.0
"""How long one stays that nobody asks."""
WANTED_SECONDS = 30.0
"""How long one is being made after it was asked last."""
PAUSE_SECONDS = 0.002
"""Between two pieces: the event loop has its turn."""
QUIET_NS = 50_000_000
"""A file that was written later than so is being written, as far as its times tell."""
MOST_INDEX = 1 << 31
"""Bytes of an index that is copied."""
MOST_METADATA = 1 << 22
MOST_REBUILT = 1 << 26
"""Bytes of a session's metadata, and of the transcript it is made anew from. What is larger is left out."""
CHUNK = 100
ASIDE = ".elsewhere-"
_ABANDONED_SECONDS = 3600.0


class Unready(Exception):
    """It is being read. ``ready`` is done when it is, or failed.

    Who waits for it says so with ``join`` and ``leave``: if nobody is left who wants it, the reading ends.
    """

    def __init__(self, shadow: "_Shadow", ready: "Future[None]") -> None:
        super().__init__("its sessions are being read; ask again")
        self.ready = ready
        self._shadow = shadow

    def join(self) -> None:
        self._shadow.waiting += 1

    def leave(self, *, wanted: bool) -> None:
        self._shadow.waiting -= 1
        if not wanted and self._shadow.waiting <= 0:
            self._shadow.wanted_until = 0.0


class _Shadow:
    """Its ``lock`` is held by whoever uses the connection, for a piece of work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        self.listed: Future[None] | None = None
        self.swept: Future[None] | None = None
        self.steps: Iterator[None] = iter(())
        self.source = ""
        self.skipped: dict[str, str] = {}
        self.copied = self.distrusted = False
        self.asked = self.wanted_until = 0.0
        self.waiting = 0
        self.gone = False

    def start_over(self) -> bool:
        """SQLite found what was copied damaged: from the sessions' files alone. Whether that is any different."""
        if not self.copied:
            return False
        if self.connection is not None:
            self.connection.close()
        self.connection, self.source, self.copied, self.distrusted = None, "", False, True
        self.skipped.clear()
        return True

    def close(self) -> None:
        self.gone = True
        if self.connection is not None:
            self.connection.close()
        for ready in (self.listed, self.swept):
            if ready is not None and not ready.done():
                ready.set_result(None)  # Whoever waits asks again.


class Shadows:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: dict[Path, _Shadow] = {}
        self._turns: deque[tuple[Path, _Shadow, Iterator[None]]] = deque()
        self._running = False

    def ask(self, directory: Path, work: Callable[[sqlite3.Connection], T], *, texts: bool) -> T:
        """What ``work`` finds there, which is quick and only reads. Raises Unready, OSError, sqlite3.Error."""
        while True:
            shadow = self._of(directory)
            with shadow.lock:
                if shadow.gone:
                    continue
                if shadow.swept is None or (_over(shadow.swept) and not _in_step(directory, shadow)):
                    self._begin(directory, shadow)
                ready = shadow.swept if texts else shadow.listed
                assert ready is not None
                if not ready.done():
                    raise Unready(shadow, ready)
                ready.result()
                assert shadow.connection is not None
                try:
                    return work(shadow.connection)
                except sqlite3.OperationalError:
                    raise
                except sqlite3.Error:
                    if not shadow.start_over():
                        raise
                    self._begin(directory, shadow)

    def _of(self, directory: Path) -> _Shadow:
        now = time.monotonic()
        with self._changed:
            shadow = self._all.get(directory)
            if shadow is None:
                self._make_room(now)
                shadow = self._all[directory] = _Shadow()
            shadow.asked, shadow.wanted_until = now, now + WANTED_SECONDS
            return shadow

    def _make_room(self, now: float) -> None:
        """The one that was asked longest ago goes; none that was asked just now, or they would all be made for ever."""
        if len(self._all) >= MOST:
            for directory, shadow in sorted(self._all.items(), key=lambda one: one[1].asked):
                if shadow.asked < now - WANTED_SECONDS and self._dropped(directory, shadow):
                    return
            raise OSError(0, "too many projects are to be read at once; start agentd in it, or ask again later")

    def _dropped(self, directory: Path, shadow: _Shadow) -> bool:
        """Within ``_changed``, so without waiting."""
        if not shadow.lock.acquire(blocking=False):
            return False
        try:
            shadow.close()
        finally:
            shadow.lock.release()
        if self._all.get(directory) is shadow:
            del self._all[directory]
        return True

    def _begin(self, directory: Path, shadow: _Shadow) -> None:
        for ready in (shadow.listed, shadow.swept):
            if ready is not None and not ready.done():
                ready.set_result(None)  # Whoever waits asks again.
        shadow.listed, shadow.swept = Future(), Future()
        shadow.steps = _steps(directory, shadow)
        with self._changed:
            self._turns.append((directory, shadow, shadow.steps))
            if not self._running:
                self._running = True
                # It dies with the process: a disk that hangs holds up nobody.
                threading.Thread(target=self._run, daemon=True, name="agentd-shadows").start()
            self._changed.notify()

    # What follows runs in the thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                old = time.monotonic() - KEEP_SECONDS
                for directory, shadow in list(self._all.items()):
                    if shadow.asked < old:
                        self._dropped(directory, shadow)
                if not self._turns:
                    if not self._all:
                        self._running = False
                        return
                    self._changed.wait(KEEP_SECONDS / 10)
                    continue
                directory, shadow, steps = self._turns.popleft()
            if self._stepped(directory, shadow, steps):
                with self._changed:
                    self._turns.append((directory, shadow, steps))
            time.sleep(PAUSE_SECONDS)

    def _stepped(self, directory: Path, shadow: _Shadow, steps: Iterator[None]) -> bool:
        """Do a piece; whether there is more to do."""
        with shadow.lock:
            if shadow.gone or shadow.steps is not steps:
                return False
            assert shadow.listed is not None and shadow.swept is not None
            if time.monotonic() < shadow.wanted_until:
                try:
                    next(steps)
                    return True
                except StopIteration:
                    return False
                except Exception as error:
                    for ready in (shadow.listed, shadow.swept):
                        if not ready.done():
                            ready.set_exception(error)
            shadow.close()
        with self._changed:
            if self._all.get(directory) is shadow:
                del self._all[directory]
        return False


def stamps(files: Files, directory: Path) -> str:
    """The state of a project's own index."""
    return " ".join(reading.stamp(files, directory / f"{NAME}{suffix}") for suffix in ("", "-wal"))


def sessions_in(files: Files, directory: Path) -> list[str]:
    """Raises OSError."""
    return [name for name in files.directories(directory / "sessions") if ID.fullmatch(name)]


def _over(ready: "Future[None]") -> bool:
    return ready.done() and ready.exception() is None


def _in_step(directory: Path, shadow: _Shadow) -> bool:
    files, connection = Files(), shadow.connection
    assert connection is not None
    if stamps(files, directory) != shadow.source:
        return False
    return not any(_differing(files, directory, connection, shadow.skipped))


def _differing(
    files: Files, directory: Path, connection: sqlite3.Connection, skipped: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Sessions that are gone, and those that are new or others."""
    known = {**skipped, **dict(reading.all_known(connection))}
    names = sessions_in(files, directory)
    sessions = directory / "sessions"
    changed = [name for name in names if known.get(name) != reading.stamp(files, sessions / name / METADATA)]
    return sorted(known.keys() - set(names)), changed


def _steps(directory: Path, shadow: _Shadow) -> Iterator[None]:
    """Bring it in step with the files, a piece each time."""
    try:
        yield from _brought(directory, shadow)
    except sqlite3.Error:
        if not shadow.start_over():
            raise
        assert shadow.listed is not None
        shadow.listed = Future() if shadow.listed.done() else shadow.listed
        yield from _brought(directory, shadow)


def _brought(directory: Path, shadow: _Shadow) -> Iterator[None]:
    files, sessions = Files(), directory / "sessions"
    source = stamps(files, directory)
    if shadow.connection is None:
        copy = None if shadow.distrusted else _copied(files, directory)
        shadow.copied = copy is not None
        shadow.connection = copy or temporary()
        yield
    connection = shadow.connection
    gone, changed = _differing(files, directory, connection, shadow.skipped)
    # Another daemon was there: what it said last, before it was killed, may be in the transcripts alone.
    every = source != shadow.source
    for name in gone:
        shadow.skipped.pop(name, None)
        rows.remove(connection, name)
    yield
    rest = changed
    while rest:
        some = [name for name in rest[:CHUNK] if _small(files, sessions / name)]
        read, count = reading.read_rows(files, sessions, some)
        looked = some[:count] if count < len(some) else rest[:CHUNK]
        connection.execute("BEGIN")
        rows.put_all(connection, read)
        connection.execute("COMMIT")
        made = {row.id for row in read}
        for name in looked:
            shadow.skipped.pop(name, None)
            if name not in made:
                rows.remove(connection, name)
                shadow.skipped[name] = reading.stamp(files, sessions / name / METADATA)
        done = set(looked)
        rest = [name for name in rest[:CHUNK] if name not in done] + rest[CHUNK:]
        yield
    assert shadow.listed is not None and shadow.swept is not None
    shadow.listed.set_result(None)
    wanted = [name for name, _ in reading.all_known(connection)] if every else changed
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        progress = [(name, known) for name in some if (known := writing.progress(connection, name)) is not None]
        while progress:
            pieces, count = reading.read_pieces(files, sessions, progress, lambda _: None)
            progress = progress[count:]
            _write(connection, [piece.part for piece in pieces])
            yield
            for piece in pieces:
                part = piece.part
                while (following := reading.next_part(piece, part)) is not None:
                    part = following
                    _write(connection, [part])
                    yield
    shadow.source = source
    shadow.swept.set_result(None)


def _write(connection: sqlite3.Connection, parts: Sequence[Part]) -> None:
    connection.execute("BEGIN")
    add_words(connection, [word for part in parts for word in writing.words_of(part)])
    writing.write(connection, parts)
    connection.execute("COMMIT")


def _small(files: Files, directory: Path) -> bool:
    """Whether its metadata can be had for a moderate price."""
    try:
        return files.stat(directory / METADATA).st_size <= MOST_METADATA
    except OSError:
        with suppress(OSError):
            return sum(state.st_size for state in files.files_below(directory)) <= MOST_REBUILT
        return False


def _copied(files: Files, directory: Path) -> sqlite3.Connection | None:
    """The project's own index, as far as it goes. It may be written meanwhile, by a daemon that has begun: then not."""
    data = directory.parent.parent
    with suppress(OSError):
        before = stamps(files, directory)
        _tidy(data)
        aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=data))
        try:
            for suffix in ("", "-wal"):
                _copy(files, directory / f"{NAME}{suffix}", aside / f"{NAME}{suffix}", optional=bool(suffix))
            if stamps(files, directory) == before:
                return take_over(aside / NAME, reading.boot())
        finally:
            # It stays as long as it is open.
            shutil.rmtree(aside, ignore_errors=True)
    return None


def _copy(files: Files, source: Path, target: Path, *, optional: bool) -> None:
    if optional and not files.exists(source):
        return
    reader = files.open_read(source)
    try:
        state = files.stat_open(reader)
        if state.st_size > MOST_INDEX or state.st_mtime_ns > time.time_ns() - QUIET_NS:
            raise OSError(0, "it is too large, or being written")
        writer = files.create_for_copy(target)
        try:
            files.copy(reader, 0, state.st_size, writer)
        finally:
            files.close(writer)
    finally:
        files.close(reader)


def _tidy(data: Path) -> None:
    """What a daemon left that was killed while it copied."""
    for entry in os.scandir(data):
        if entry.name.startswith(ASIDE) and time.time() - entry.stat(follow_symlinks=False).st_mtime > (
            _ABANDONED_SECONDS
        ):
            shutil.rmtree(entry.path, ignore_errors=True)
