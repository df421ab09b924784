"""One open session of the in-memory store. What is kept outlives the log, as a directory does; nothing is ever cut off.

Called from the event loop alone; nothing in here waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentd.core.fold import Streamed, TurnFold, ended_unless, fit, is_open
from agentd.core.metadata import Metadata
from agentd.core.records import ITEM_KINDS, Draft
from agentd.errors import SessionNotFound, StoreFailed
from agentd.protocol import Item, Turn
from agentd.store import lines
from agentd.store.api import Conversation, LoggedEvents, Page, QueuedPrompt
from agentd.store.blobs import digest_of, no_blob
from agentd.store.eventlog import event_entry
from agentd.store.load import LAST_BYTES
from agentd.store.memory_reading import conversation_of, folds_of, owed_by, page_of
from agentd.store.reader import Found, Place
from agentd.store.transcript import Entry

_EVENTS = 10_000
_PROMPTS = frozenset({"prompt"})
Journal = dict[int, dict[str, Streamed]]


@dataclass(slots=True)
class Kept:
    """All of a session. ``journal`` is None while no turn runs; ``given`` the highest turn number ever given."""

    metadata: Metadata
    records: list[Found] = field(default_factory=list)
    queued: dict[int, QueuedPrompt] = field(default_factory=dict)
    given: int = 0
    journal: Journal | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    event_seq: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)

    def write(self, drafts: Sequence[Draft]) -> str:
        """Add these records as a file would hold them; when that was. Raises what JSON cannot hold (TypeError)."""
        entry = Entry.of(drafts)
        seq = self.records[-1].record.seq if self.records else 0
        for line in entry.lines_from(seq):
            record = lines.parse(line[:-1])
            assert record is not None
            place = len(self.records)
            self.records.append(Found(record, Place(0, place + 1), place, len(line) - 1))
            self.given = max(self.given, record.turn)
        starts = [draft for draft in drafts if draft.kind == "turn"]
        if starts and is_open(starts[-1].body):
            self.journal = self.journal or {}
        return entry.time

    @property
    def size(self) -> int:
        """Bytes, about as many as in files, without blobs."""
        return sum(found.size + 1 for found in self.records) + len(self.metadata.dump_json())


class MemoryLog:
    """See ``SessionLog``."""

    def __init__(self, kept: Kept, closed: Callable[["MemoryLog"], None]) -> None:
        self._kept = kept
        self._closed = closed
        self._open = True
        self._buried = False
        folds = folds_of(kept.records)
        newest = next((one.record.turn for one in reversed(kept.records) if one.record.turn in folds), 0)
        self._fold = folds.get(newest)
        self._recover(folds)

    def _recover(self, folds: Mapping[int, TurnFold]) -> None:
        """End what was cut off, with all that was streamed of it."""
        journal = self._kept.journal or {}
        self._kept.given = max(self._kept.given, *journal, 0)
        streamed = {number: tuple(items.values()) for number, items in journal.items()}
        owed = owed_by(folds, streamed, self._fold.number if self._fold else 0, lines.now())
        if owed:
            self._add(owed)
        self._kept.journal = None

    @property
    def kept(self) -> Kept:
        """What a fork begins with."""
        return self._kept

    @property
    def id(self) -> str:
        return self._kept.metadata.id

    @property
    def metadata(self) -> Metadata:
        return self._kept.metadata

    @property
    def last_turn(self) -> int:
        return self._kept.given

    @property
    def last(self) -> Turn | None:
        if self._fold is None:
            return None
        turn = ended_unless(self._fold.turn(), self._live())
        return fit(turn, LAST_BYTES, whole=_PROMPTS) if self._fold.ended else turn

    @property
    def queued(self) -> tuple[QueuedPrompt, ...]:
        return tuple(self._kept.queued.values())

    @property
    def problems(self) -> tuple[str, ...]:
        return ()

    @property
    def closing(self) -> bool:
        """Its owner has let go of it."""
        return not self._open

    async def append(self, drafts: Sequence[Draft]) -> None:
        self._check_writable()
        if drafts:
            self._add(drafts)

    def journal_start(self, turn: int, item: Item) -> None:
        self._check_writable()
        self._journal(turn).setdefault(item.id, Streamed(item, whole=False))

    def journal_delta(self, turn: int, item_id: str, text: str) -> None:
        items = self._journal(turn)
        known = items.get(item_id) or Streamed(Item(id=item_id, kind="text"), whole=False)
        if not known.whole:
            longer = known.item.model_copy(update={"text": (known.item.text or "") + text})
            items[item_id] = Streamed(longer, whole=False)

    def journal_end(self, turn: int, item: Item) -> None:
        self._journal(turn)[item.id] = Streamed(item, whole=True)

    def journal_clear(self) -> None:
        self._kept.journal = None

    async def save_metadata(self, metadata: Metadata) -> None:
        self._check_writable("session metadata")
        self._kept.metadata = metadata

    async def enqueue(self, prompt: QueuedPrompt) -> None:
        self._check_writable("prompt")
        self._kept.queued[prompt.number] = prompt
        self._kept.given = max(self._kept.given, prompt.number)

    async def dequeue(self, number: int) -> None:
        self._check_writable("prompt")
        self._kept.queued.pop(number, None)

    async def page(self, before: int | None, limit: int, max_bytes: int = 1_000_000) -> Page:
        self._check_there()
        return page_of(self._kept.records, before, limit, max_bytes, self._live())

    async def conversation(self, max_bytes: int) -> Conversation:
        self._check_there()
        return conversation_of(self._kept.records, max_bytes, self._live())

    def log_event(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._open:
            self._kept.event_seq += 1
            self._kept.events.append({"seq": self._kept.event_seq, **event_entry(name, fields)})
            del self._kept.events[:-_EVENTS]

    async def events(self, after: int, limit: int) -> LoggedEvents:
        self._check_there()
        later = [event for event in self._kept.events if event["seq"] > after]
        return LoggedEvents(tuple(later[:limit]), len(later) > limit)

    async def put_blob(self, data: bytes) -> str:
        self._check_writable("blob")
        digest = digest_of(data)
        self._kept.blobs.setdefault(digest, bytes(data))
        return digest

    async def blob(self, digest: str) -> bytes:
        self._check_there()
        if digest not in self._kept.blobs:
            raise no_blob(digest)
        return self._kept.blobs[digest]

    def bury(self) -> None:
        """Its session is deleted: from now on whoever still holds it is told so."""
        self._buried, self._open = True, False

    async def close(self) -> None:
        self._open = False
        self._closed(self)

    def _add(self, drafts: Sequence[Draft]) -> None:
        time = self._kept.write(drafts)
        for draft in drafts:
            if draft.turn <= 0 or not (draft.kind == "turn" or draft.kind in ITEM_KINDS):
                continue
            fold = self._fold
            if fold is None or fold.number < draft.turn or (fold.number > draft.turn and draft.kind == "turn"):
                fold = self._fold = TurnFold(draft.turn)
            if fold.number == draft.turn:
                fold.add(draft.kind, draft.body, time)

    def _journal(self, turn: int) -> dict[str, Streamed]:
        if self._kept.journal is None:
            self._kept.journal = {}
        return self._kept.journal.setdefault(turn, {})

    def _live(self) -> int | None:
        return self._fold.number if self._fold is not None and not self._fold.ended else None

    def _check_there(self) -> None:
        if self._buried:
            raise SessionNotFound(self.id)

    def _check_writable(self, what: str = "session") -> None:
        self._check_there()
        if not self._open:
            raise StoreFailed("the session is closed", what, refused=True)
