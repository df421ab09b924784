"""One watch on the sessions' directory: a session that is copied in, or removed by a stranger, is noticed.

Only names are watched. What is copied in comes file by file, so that a new session is looked at again a few times.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from agentd.protocol import Session
from agentd.store.finding import Noticed
from agentd.store.index import rows, writing
from agentd.store.index.reading import MISSING
from agentd.store.index.thread import IndexThread
from agentd.store.index.upkeep import Keeper, Upkeep

logger = logging.getLogger(__name__)
BEGIN_SECONDS = 1.0
GATHER_SECONDS = 0.05
LOOK_AGAIN_SECONDS = (0.25, 1.0, 5.0, 30.0)
"""After a session came: by when all of it has perhaps been copied."""


class Watch:
    """Runs from its making until ``close``. Calls ``noticed`` on the event loop."""

    def __init__(
        self,
        sessions: Path,
        upkeep: Upkeep,
        thread: IndexThread,
        keeper: Keeper,
        noticed: Noticed,
        listed: asyncio.Event,
    ) -> None:
        self._upkeep = upkeep
        self._thread = thread
        self._keeper = keeper
        self._noticed = noticed
        self._listed = listed
        self._loop = asyncio.get_running_loop()
        self._names: set[str] = set()
        self._missed: set[str] = set()
        self._later: set[asyncio.TimerHandle] = set()
        self._closed = False
        self._observer: Any = None
        upkeep.spawn(self._begin(sessions))

    async def _begin(self, sessions: Path) -> None:
        # Who has just started the daemon wants a list: what a watch needs is imported after that.
        await asyncio.sleep(BEGIN_SECONDS)
        observer = await self._loop.run_in_executor(None, _observe, sessions, self._told)
        if self._closed and observer is not None:
            self._loop.run_in_executor(None, _end, observer)
            return
        self._observer = observer
        # What came before the watch did. As long as not all are listed, those that are not are none that came.
        if observer is not None and self._listed.is_set():
            await self.compare()

    async def compare(self) -> None:
        """Look at every name that is on one side only, once all are listed."""
        known = await self._thread.ask(_ids)
        with suppress(OSError):
            there = set(await self._upkeep.read(self._keeper.names))
            await self._look(sorted(there ^ known))

    def let_go(self, name: str) -> None:
        """Nobody has this session open any more: if it was removed meanwhile, that is noticed now."""
        if name in self._missed and not self._closed:
            self._missed.discard(name)
            self._upkeep.spawn(self._look([name]))

    def close(self) -> None:
        """No more calls. The watch ends on a thread: that takes a while."""
        self._closed = True
        for handle in self._later:
            handle.cancel()
        observer, self._observer = self._observer, None
        if observer is not None:
            self._loop.run_in_executor(None, _end, observer)

    def _told(self, name: str) -> None:
        """In the watch's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._gather, name)

    def _gather(self, name: str) -> None:
        if not self._names:
            self._after(GATHER_SECONDS, self._gathered)
        self._names.add(name)

    def _gathered(self) -> None:
        names, self._names = sorted(self._names), set()
        self._upkeep.spawn(self._look(names))

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        def run() -> None:
            self._later.discard(handle)
            if not self._closed:
                call()

        handle = self._loop.call_later(seconds, run)
        self._later.add(handle)

    async def _look(self, names: list[str]) -> None:
        there = set(await self._upkeep.read(self._keeper.names))
        for name in names:
            if self._closed or self._keeper.held(name):
                if name not in there:
                    self._missed.add(name)
                continue
            if name not in there:
                gone = await self._thread.run(partial(_remove, name))
                if gone is not None:
                    self._noticed("deleted", Session.model_validate_json(gone))
            elif await self._thread.ask(partial(writing.progress, session_id=name)) is None:
                await self._came(name)
                for seconds in LOOK_AGAIN_SECONDS:
                    self._after(seconds, partial(self._again, name))

    async def _came(self, name: str) -> None:
        await self._upkeep.put_rows([name])
        json = await self._thread.ask(partial(_view, name))
        if json is not None:
            self._noticed("created", Session.model_validate_json(json))
            await self._upkeep.read_transcripts([name])

    def _again(self, name: str) -> None:
        self._upkeep.spawn(self._refresh(name))

    async def _refresh(self, name: str) -> None:
        before = await self._thread.ask(partial(_stamp, name))
        if before is None:
            await self._look([name])
        elif not self._keeper.held(name):
            await self._upkeep.put_changed([(name, before)])
            await self._upkeep.read_transcripts([name])


def _ids(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT id FROM sessions")}


def _remove(name: str, connection: Connection) -> bytes | None:
    return rows.remove(connection, name)


def _view(name: str, connection: Connection) -> bytes | None:
    found = connection.execute("SELECT json FROM sessions JOIN views USING (number) WHERE id = ?", (name,)).fetchone()
    return found[0] if found else None


def _stamp(name: str, connection: Connection) -> str | None:
    found = connection.execute("SELECT stamp FROM sessions WHERE id = ?", (name,)).fetchone()
    return (found[0] or MISSING) if found else None


def _observe(sessions: Path, told: Callable[[str], None]) -> Any:
    """A running watchdog observer; None where the system has no watches left: the next start looks."""
    from watchdog.events import (
        DirCreatedEvent,
        DirDeletedEvent,
        DirMovedEvent,
        FileSystemEvent,
        FileSystemEventHandler,
    )
    from watchdog.observers import Observer

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type not in ("created", "deleted", "moved"):
                return
            for place in (event.src_path, event.dest_path):
                path = Path(os.fsdecode(place))
                if place and path.parent == sessions and not path.name.startswith("."):
                    told(path.name)

    observer = Observer()
    observer.daemon = True
    try:
        # Of all else nothing is told at all: each session's directory that is looked into would be.
        wanted: list[type[FileSystemEvent]] = [DirCreatedEvent, DirDeletedEvent, DirMovedEvent]
        observer.schedule(Handler(), str(sessions), recursive=False, event_filter=wanted)
        observer.start()
    except OSError as error:
        logger.warning("%s is not watched: %s", sessions, error.strerror or error)
        return None
    return observer


def _end(observer: Any) -> None:
    observer.stop()
    observer.join(timeout=5)
