"""A store that keeps its sessions in memory: the same promises as the file store but for the end of the process.

For programs that want no files, and for tests. What it keeps lives as long as it does: it can be closed and started
again. Called from the event loop alone; nothing in here waits.
"""

import re
from collections.abc import AsyncIterator, Collection, Sequence

from agentd.core.metadata import Metadata
from agentd.core.records import Draft, Record
from agentd.errors import SessionInUse, SessionNotFound, StoreFailed
from agentd.store.api import Remains, SessionLog
from agentd.store.memory_log import Kept, MemoryLog
from agentd.store.memory_reading import part_through
from agentd.store.scanned import ScannedIndex

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")


class MemoryStore:
    """See ``Store``."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._open: dict[str, MemoryLog] = {}
        self.index = ScannedIndex(self)

    @property
    def problems(self) -> tuple[str, ...]:
        return ()

    @property
    def location(self) -> str:
        return "memory"

    async def start(self) -> tuple[str, ...]:
        """Whoever held a session before holds it no more: as after the end of a process."""
        self._open.clear()
        return tuple(session_id for session_id, kept in self._kept.items() if kept.journal is not None)

    async def list_metadata(self, only: Collection[str] | None = None) -> Sequence[Metadata]:
        return [kept.metadata for kept in self._kept.values() if only is None or kept.metadata.id in only]

    async def records(self, session_id: str) -> AsyncIterator[Record]:
        """A session's transcript, oldest first."""
        for found in self._kept[session_id].records if session_id in self._kept else ():
            yield found.record

    async def create(self, metadata: Metadata, drafts: Sequence[Draft]) -> SessionLog:
        kept = Kept(metadata)
        kept.write(drafts)
        return self._adopt(kept)

    async def open(self, session_id: str) -> SessionLog:
        if session_id not in self._kept:
            raise SessionNotFound(session_id)
        if (before := self._open.get(session_id)) is not None:
            # Its owner let go of it and is about to close it, or forgot to.
            await before.close()
        return self._opened(self._kept[session_id])

    async def fork(self, source: SessionLog, through: int, metadata: Metadata) -> SessionLog:
        if not isinstance(source, MemoryLog):
            raise StoreFailed("the session is of another store", refused=True)
        if self._kept.get(source.id) is not source.kept:
            raise SessionNotFound(source.id)
        records = part_through(source.kept.records, through)
        given = max((found.record.turn for found in records), default=0)
        return self._adopt(Kept(metadata, records, given=given, blobs=dict(source.kept.blobs)))

    async def measure(self, session_ids: Sequence[str]) -> Sequence[Remains]:
        left = dict(self._kept)
        found = []
        for session_id in session_ids:
            kept = left.pop(session_id, None)
            if kept is not None:
                others = {digest for other in left.values() for digest in other.blobs}
                blobs = sum(len(data) for digest, data in kept.blobs.items() if digest not in others)
                found.append(Remains(session_id, kept.size + blobs, 0, len(kept.queued)))
            else:
                found.append(Remains(session_id, 0))
        return tuple(found)

    async def delete(self, session_id: str, owned: SessionLog | None = None) -> int:
        log = self._open.get(session_id)
        if log is not None and not (log is owned or log.closing):
            raise SessionInUse(f"Session '{session_id[:8]}' is open.", sessionId=session_id)
        if session_id not in self._kept:
            raise SessionNotFound(session_id)
        (remains,) = await self.measure([session_id])
        del self._kept[session_id]
        if log is not None:
            log.bury()
            self._let_go(log)
        return remains.bytes

    async def close(self) -> None:
        for log in list(self._open.values()):
            await log.close()

    def _adopt(self, kept: Kept) -> MemoryLog:
        session_id = kept.metadata.id
        if not _ID.fullmatch(session_id):
            raise StoreFailed("its id is no id of a session", refused=True)
        if session_id in self._kept:
            raise StoreFailed("A session with this id exists")
        self._kept[session_id] = kept
        return self._opened(kept)

    def _opened(self, kept: Kept) -> MemoryLog:
        log = self._open[kept.metadata.id] = MemoryLog(kept, self._let_go)
        return log

    def _let_go(self, log: MemoryLog) -> None:
        if self._open.get(log.id) is log:
            del self._open[log.id]
