"""Making, forking, naming and archiving sessions, and appending to one: beside what the disk needs for the same."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic_ns
from typing import Any

from agentd.core.records import Draft
from agentd.store import lines, open_store
from agentd.store.transcript import FIRST
from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.made import LONG, lay, sessions_directory, write_sessions
from tests.bench.memory import warmed
from tests.bench.place import Place, Program, milliseconds, place
from tests.bench.sizes import Sizes

RECORD = Draft(1, "text", {"id": "1.9", "text": "word " * 80})
COPIED = 256
"""Megabytes: more than is copied at once, and enough that it is the memory that the system gives next."""
SYNC = "write + fdatasync of the same bytes"
REPLACE = "write, fsync, rename, fsync of the directory"


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    with place(program) as here:
        sessions = sessions_directory(here.home.data, here.home.root)
        short, cleared = write_sessions(sessions, 2)
        lay(LONG, sessions)
        here.start()
        client = Client.of(here)
        for session in (short, cleared, LONG.id):
            # Listened to, as by an editor: what is measured is the change, not the opening.
            client.request("agentd/session/resume", {"sessionId": session, "limit": 1})
        here.settle()
        asked = partial(_asked, here, client)
        bare = Bare(here, sessions / LONG.id / FIRST)
        archive = {"sessionId": short}

        def archived() -> float:
            took = asked("agentd/session/archive", archive)
            client.request("agentd/session/restore", archive)
            return took

        def forked(more: Mapping[str, Any]) -> float:
            warmed(COPIED)
            return asked("agentd/session/fork", {"sessionId": LONG.id, **more})

        def forked_closed() -> float:
            client.request("agentd/session/leave", {"sessionId": LONG.id})
            took = forked({})
            client.request("agentd/session/resume", {"sessionId": LONG.id, "limit": 1})
            return took

        def copied() -> float:
            warmed(COPIED)
            return after_quiet(bare.copied)

        def after_quiet(measure: Callable[[], float]) -> float:
            # Whoever was idle is slower at first: the bare work is to be no exception.
            here.quiet()
            return measure()

        made, named, archiving, replaced, clear, appended = in_turns(
            sizes.creates,
            partial(asked, "agentd/session/new", {}),
            partial(asked, "agentd/session/name", {"sessionId": short, "name": "a name"}),
            archived,
            partial(after_quiet, bare.replaced),
            partial(asked, "agentd/session/clear", {"sessionId": cleared}),
            partial(after_quiet, bare.appended),
        )
        end, middle, closed, beside = in_turns(
            sizes.creates,
            partial(forked, {}),
            partial(forked, {"turn": LONG.turns // 2}),
            forked_closed,
            copied,
        )
        log, bare_log = _appends(here, bare, sizes)
    copy = "copy by the system + fdatasync"
    return [
        Figure("create a session", "ms", made, Target(5), REPLACE, replaced),
        Figure("name a session", "ms", named, Target(3, "more"), REPLACE, replaced),
        Figure("archive a session", "ms", archiving, Target(3, "more"), REPLACE, replaced),
        Figure(f"fork of {LONG.turns} turns, at the end", "ms", end, Target(5)),
        Figure(f"fork of {LONG.turns} turns, at the end, ratio", "ms", end, Target(2.5, "ratio"), copy, beside),
        Figure(f"fork of {LONG.turns} turns, in the middle", "ms", middle, Target(5), copy, beside),
        Figure(f"fork of {LONG.turns} turns that was not open", "ms", closed, Target(5), copy, beside),
        Figure("append of one record, in the store", "ms", log, Target(2, "ratio"), SYNC, bare_log),
        Figure("append of one record, request to answer (clear)", "ms", clear, None, SYNC, appended),
    ]


def _asked(here: Place, client: Client, method: str, params: Mapping[str, Any]) -> float:
    """Milliseconds, of a daemon that does nothing else: a fork, for one, is indexed once it was answered."""
    here.quiet()
    begun = monotonic_ns()
    client.request(method, params)
    return milliseconds(begun)


class Bare:
    """The same bytes on the same disk, with nothing around them. Each answers milliseconds."""

    def __init__(self, here: Place, long: Path) -> None:
        self._directory = here.home.data / "bare"
        self._directory.mkdir()
        self._long = long
        self._names = count()
        self._log = _new(self._directory / "log")
        here.closing.callback(os.close, self._log)

    def replaced(self) -> float:
        """A file of 800 bytes, exchanged."""
        begun = monotonic_ns()
        with _closed(_new(self._directory / "new")) as file:
            os.write(file, b"x" * 800)
            os.fsync(file)
        (self._directory / "new").rename(self._directory / "old")
        with _closed(os.open(self._directory, os.O_RDONLY)) as directory:
            os.fsync(directory)
        return milliseconds(begun)

    def appended(self) -> float:
        """A record's line."""
        data = lines.record_line(1, lines.fragment(RECORD, lines.now()))
        begun = monotonic_ns()
        os.write(self._log, data)
        os.fdatasync(self._log)
        return milliseconds(begun)

    def copied(self) -> float:
        """The long transcript."""
        begun = monotonic_ns()
        with _closed(os.open(self._long, os.O_RDONLY)) as source, _closed(self._next()) as target:
            left = os.fstat(source).st_size
            while left:
                left -= os.copy_file_range(source, target, left)
            os.fdatasync(target)
        return milliseconds(begun)

    def _next(self) -> int:
        return _new(self._directory / f"copy-{next(self._names)}")


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


@contextmanager
def _closed(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _appends(here: Place, bare: Bare, sizes: Sizes) -> tuple[list[float], list[float]]:
    """Milliseconds of an append through the store's own interface, in a loop of its own, and bare."""
    root = here.home.base / "other"
    root.mkdir()
    (session,) = write_sessions(sessions_directory(here.home.data, root), 1)
    with closing(asyncio.new_event_loop()) as loop:
        store = open_store(here.home.data, root)
        loop.run_until_complete(store.start())
        log = loop.run_until_complete(store.open(session))

        def append() -> float:
            async def one() -> float:
                begun = monotonic_ns()
                await log.append([RECORD])
                return milliseconds(begun)

            return loop.run_until_complete(one())

        taken, beside = in_turns(10 * sizes.creates, append, bare.appended)
        loop.run_until_complete(store.close())
    return taken, beside
