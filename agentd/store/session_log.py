"""One open session of the file store: what it knows in memory is in step with what is durable, and small.

Owns no file itself: transcript, journal, queue, metadata and event log do. Called from the event loop alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agentd.core.fold import TurnFold, ended_unless, fit, is_open
from agentd.core.metadata import Metadata
from agentd.core.records import ITEM_KINDS, Draft
from agentd.errors import LoadFailed, SessionNotFound, StoreFailed
from agentd.protocol import Item, Turn
from agentd.store import eventlog
from agentd.store.api import Conversation, LoggedEvents, Page, QueuedPrompt
from agentd.store.blobs import put_blob, read_blob
from agentd.store.eventlog import EventLog, event_entry, read_events
from agentd.store.files import Files, loading, saving
from agentd.store.journal import Journal
from agentd.store.lane import CLOSED, Lane, settled
from agentd.store.load import LAST_BYTES, Loaded
from agentd.store.metadata_file import write_metadata
from agentd.store.pages import Hint, read_conversation, read_page
from agentd.store.queue import Change, Queue
from agentd.store.reader import Reader
from agentd.store.transcript import Entry, Segment, Transcript

_HINTS = 64
_LONGEST = 1 << 20
_PROMPTS = frozenset({"prompt"})
T = TypeVar("T")


class Owner(Protocol):
    """Who opened it; told on the loop."""

    def closed(self, log: "FileSessionLog") -> None:
        """Nothing is written any more."""

    def wrote(self, metadata: Metadata) -> None:
        """This is on disk now, as ``metadata.json``."""

    def grew(self, session_id: str) -> None:
        """A turn has ended on record, or a mark was set."""


class FileSessionLog:
    """See ``SessionLog``. ``writers`` and ``readers`` are the store's threads: a slow sync holds up no reading."""

    def __init__(
        self,
        files: Files,
        directory: Path,
        loaded: Loaded,
        writers: Executor,
        readers: Executor,
        owner: Owner,
    ) -> None:
        self._files = files
        self._directory = directory
        self._writers = writers
        self._readers = readers
        self._owner = owner
        self._open = True
        self._buried = False
        self._newer = loaded.newer
        self._metadata = loaded.metadata
        self._last_turn = loaded.last_turn
        self._fold = loaded.last
        self._last: Turn | None = None
        self._owed = () if loaded.newer else loaded.owed
        self._has_journal = loaded.journal
        self._notes = loaded.problems
        self._found = loaded.found
        self._hints: dict[int, Hint] = {}
        self._marks = 0
        self._queued = dict(loaded.queue.waiting)
        self._journal = Journal(files, directory)
        self._transcript = Transcript(
            files, directory, loaded.segments, loaded.last_seq, loaded.last_seq, sound=loaded.sound
        )
        self._records = Lane[Entry](writers, self._write_records, self._records_written)
        queue = Queue(files, directory, loaded.queue)
        self._queue = Lane[Change](writers, queue.write, self._queue_written)
        self._saves = Lane[Metadata](writers, partial(write_metadata, files, directory), self._metadata_written)
        self._events = Lane[eventlog.Entry](writers, EventLog(files, directory).write)

    @property
    def id(self) -> str:
        return self._directory.name

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self._directory

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is durable of the transcript now."""
        return self._transcript.segments

    @property
    def last_seq(self) -> int:
        """The highest that a record was ever given."""
        return self._transcript.last_seq

    @property
    def owed(self) -> tuple[Draft, ...]:
        """What a failed recovery could not write yet."""
        return self._owed

    @property
    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def last_turn(self) -> int:
        return self._last_turn

    @property
    def last(self) -> Turn | None:
        if self._last is None and self._fold is not None:
            turn = ended_unless(self._fold.turn(), self._live())
            # An ended turn is held for a retry and for lists: its prompt whole, its outputs within bounds.
            self._last = fit(turn, LAST_BYTES, whole=_PROMPTS) if self._fold.ended else turn
        return self._last

    @property
    def queued(self) -> tuple[QueuedPrompt, ...]:
        return tuple(self._queued.values())

    @property
    def problems(self) -> tuple[str, ...]:
        return (*self._notes, *self._found.texts)

    @property
    def read_only(self) -> bool:
        """Whether a newer version of agentd wrote it."""
        return self._newer

    async def append(self, drafts: Sequence[Draft]) -> None:
        self._check_writable()
        if not drafts and not self._owed:
            return
        # What a failed recovery still owes goes first: a turn that was cut off ends before the next one starts.
        owed, self._owed = self._owed, ()
        try:
            await self._records.put(Entry.of((*owed, *drafts)))
        except BaseException:
            # Written twice, should it have been written, it says the same twice: the last of an item's records wins.
            self._owed = owed + self._owed
            raise

    def journal_start(self, turn: int, item: Item) -> None:
        self._check_writable()
        self._journal.start(turn, item)

    def journal_delta(self, turn: int, item_id: str, text: str) -> None:
        self._journal.delta(turn, item_id, text)

    def journal_end(self, turn: int, item: Item) -> None:
        self._journal.end(turn, item)

    def journal_clear(self) -> None:
        self._journal.clear()

    async def save_metadata(self, metadata: Metadata) -> None:
        self._check_writable("session metadata")
        await self._saves.put(metadata)

    async def enqueue(self, prompt: QueuedPrompt) -> None:
        self._check_writable("prompt")
        await self._queue.put(prompt)

    async def dequeue(self, number: int) -> None:
        self._check_writable("prompt")
        await self._queue.put(number)

    async def page(self, before: int | None, limit: int, max_bytes: int = 1_000_000) -> Page:
        if before is not None and before > self._last_turn:
            before = None
        hint = self._hints.get(before) if before is not None else None
        marks = self._marks
        page, older = await self._read(
            partial(read_page, self._reader(max_bytes), before, hint, limit, max_bytes, self._live())
        )
        if older is not None and page.before is not None and marks == self._marks:
            while len(self._hints) >= _HINTS:
                del self._hints[next(iter(self._hints))]
            self._hints[page.before] = older
        return self._with_owed(page)

    async def conversation(self, max_bytes: int) -> Conversation:
        return await self._read(partial(read_conversation, self._reader(max_bytes), max_bytes, self._live()))

    def log_event(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._open and not self._newer:
            self._events.post(event_entry(name, fields))

    async def events(self, after: int, limit: int) -> LoggedEvents:
        await self._events.drain()
        return await self._read(partial(read_events, self._files, self._directory, after, limit))

    async def put_blob(self, data: bytes) -> str:
        self._check_writable("blob")
        try:
            writing = asyncio.get_running_loop().run_in_executor(
                self._writers, put_blob, self._files, self._directory, data
            )
        except RuntimeError:
            raise StoreFailed(CLOSED, "blob", refused=True) from None
        return await settled(writing)

    async def blob(self, digest: str) -> bytes:
        return await self._read(partial(read_blob, self._files, self._directory, digest))

    @property
    def closing(self) -> bool:
        """Its owner has let go of it."""
        return not self._open

    async def quiet(self) -> None:
        """Until nothing is being written."""
        for lane in (self._records, self._queue, self._saves, self._events):
            await lane.drain()

    def bury(self) -> None:
        """Its directory is no session any more: from now on whoever still holds it is told so."""
        self._buried = True
        self._release()

    async def close(self) -> None:
        """Waits for what is being written. Nothing can be written afterwards. Called twice, both wait."""
        self._open = False
        await self.quiet()
        self._release()

    def _release(self) -> None:
        self._open = False
        self._journal.close()
        # Everything acknowledged was synced: there is nothing that a failing close could lose.
        with suppress(OSError):
            self._transcript.close()
        self._owner.closed(self)

    async def recover(self) -> None:
        """End what was cut off. On a failing disk the session opens all the same; the next ``append`` owes it."""
        if self._newer:
            return
        if self._owed:
            owed = self._owed
            try:
                await self.append(())
            except StoreFailed as error:
                self._notes = (*self._notes, f"A turn that was cut off could not be ended on disk yet: {error.message}")
                for draft in owed:
                    self._apply(draft, str(draft.body.get("ended", "")))
                return
        if self._has_journal:
            self._journal.clear()

    def _with_owed(self, page: Page) -> Page:
        """What a failed recovery could not write yet is shown all the same."""
        last = self.last
        if not self._owed or last is None:
            return page
        return Page(tuple(last if turn.number == last.number else turn for turn in page.turns), page.before)

    def _reader(self, max_bytes: int) -> Reader:
        return Reader(self._files, self._transcript.segments, self._found, max(max_bytes, _LONGEST))

    async def _read(self, read: Callable[[], T]) -> T:
        if self._buried:
            raise SessionNotFound(self.id)
        loop = asyncio.get_running_loop()
        try:
            reading = loop.run_in_executor(self._readers, read)
        except RuntimeError:
            raise LoadFailed(CLOSED) from None
        with loading():
            return await reading

    def _live(self) -> int | None:
        if self._fold is None or self._fold.ended or self._newer:
            return None
        return self._fold.number

    def _check_writable(self, what: str = "session") -> None:
        if self._buried:
            raise SessionNotFound(self.id)
        if self._newer:
            raise StoreFailed("a newer version of agentd wrote it, so it is open for reading only", what, refused=True)
        if not self._open:
            raise StoreFailed("the session is closed", what, refused=True)

    def _write_records(self, entries: Sequence[Entry]) -> None:
        """In a worker."""
        starts = [draft for entry in entries for draft in entry.drafts if draft.kind == "turn"]
        if starts and is_open(starts[-1].body):
            with saving():
                self._journal.prepare()
        self._transcript.write(entries)

    def _records_written(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            for draft in entry.drafts:
                self._apply(draft, entry.time)
        drafts = [draft for entry in entries for draft in entry.drafts]
        if any(draft.kind == "mark" or (draft.kind == "turn" and not is_open(draft.body)) for draft in drafts):
            self._owner.grew(self.id)

    def _apply(self, draft: Draft, time: str) -> None:
        if draft.kind == "mark":
            self._marks += 1
            self._hints.clear()
        if draft.turn <= 0 or not (draft.kind == "turn" or draft.kind in ITEM_KINDS):
            return
        self._last_turn = max(self._last_turn, draft.turn)
        fold = self._fold
        if fold is None or fold.number < draft.turn or (fold.number > draft.turn and draft.kind == "turn"):
            fold = self._fold = TurnFold(draft.turn)
        if fold.number == draft.turn:
            fold.add(draft.kind, draft.body, time)
            self._last = None

    def _metadata_written(self, batch: Sequence[Metadata]) -> None:
        self._metadata = batch[-1]
        self._owner.wrote(self._metadata)

    def _queue_written(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, QueuedPrompt):
                self._queued[change.number] = change
                self._last_turn = max(self._last_turn, change.number)
            else:
                self._queued.pop(change, None)
