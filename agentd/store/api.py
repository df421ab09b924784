"""What the workspace asks of a store. The file store is one implementation, an in-memory one another.

Every ``async`` method that changes something is durable when it returns, and raises ``StoreFailed`` (nothing kept)
when it could not. Reading raises ``LoadFailed`` or ``SessionNotFound``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.protocol import ContextText, Item, Mode, Turn
from agentd.store.finding import SessionIndex


@dataclass(frozen=True, slots=True)
class Page:
    """Turns oldest first; ``before`` is where the next older page ends (None: this is the oldest)."""

    turns: tuple[Turn, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model may see: turns that count (cleared and rewound ones left out), oldest first.

    ``summary`` stands in for compacted turns; ``system`` are the session's own system messages.
    """

    turns: tuple[Turn, ...]
    system: tuple[str, ...] = ()
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedPrompt:
    """A prompt that waits for its turn. ``number`` is that turn's number, given when it was queued."""

    number: int
    prompt: str
    time: str
    context: tuple[ContextText, ...] = ()
    ref: str | None = None
    model: str | None = None
    mode: Mode | None = None
    background: bool = False
    steer: bool = False
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """What goes with a session: the bytes that removing it frees, its documents, and the prompts that wait in it."""

    session_id: str
    bytes: int
    documents: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class LoggedEvents:
    """Lines of the event log, oldest first, each with its ``seq``. ``more``: there are later ones."""

    events: tuple[Mapping[str, Any], ...]
    more: bool


class SessionLog(Protocol):
    """One open session. One owner at a time; its methods are called from the event loop."""

    @property
    def id(self) -> str: ...
    @property
    def metadata(self) -> Metadata:
        """As last written or read."""

    @property
    def last_turn(self) -> int:
        """The highest turn number on record, queued ones included; 0 when there is none."""

    @property
    def last(self) -> Turn | None:
        """The newest turn on record, with its items; None when there is none. Kept in step by ``append``."""

    @property
    def queued(self) -> tuple[QueuedPrompt, ...]:
        """Prompts that wait, in order."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What was found damaged and set aside when the session was opened, in words for people."""

    async def append(self, drafts: Sequence[Draft]) -> None:
        """Write these records, in order, as one batch; durable on return."""

    def journal_start(self, turn: int, item: Item) -> None:
        """An item of the running turn begins. Handed to the operating system on return, not synced."""

    def journal_delta(self, turn: int, item_id: str, text: str) -> None:
        """Streamed text, likewise. Called before anybody is shown it."""

    def journal_end(self, turn: int, item: Item) -> None:
        """The item is whole, likewise."""

    def journal_clear(self) -> None:
        """The turn's items are in the transcript: the journal has nothing more to keep."""

    async def save_metadata(self, metadata: Metadata) -> None:
        """Replace ``metadata.json`` atomically."""

    async def enqueue(self, prompt: QueuedPrompt) -> None: ...

    async def dequeue(self, number: int) -> None:
        """Forget the waiting prompt of this turn number: it was begun or dropped."""

    async def page(self, before: int | None, limit: int, max_bytes: int = 1_000_000) -> Page:
        """The newest ``limit`` turns that are older than turn ``before``; costs a page, not the whole transcript."""

    async def conversation(self, max_bytes: int) -> Conversation:
        """The newest part of the conversation that fits ``max_bytes`` of transcript."""

    def log_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """A line in the event log, best effort: no bodies, no keys."""

    async def events(self, after: int, limit: int) -> LoggedEvents:
        """The first ``limit`` lines of the event log whose seq is above ``after``, of those that are still kept."""

    async def put_blob(self, data: bytes) -> str:
        """Keep these bytes with the session; durable on return. Their SHA-256, in hex, is what ``blob`` takes."""

    async def blob(self, digest: str) -> bytes:
        """Raises InvalidParams when this session holds none with this hash, LoadFailed for one that is damaged."""

    async def close(self) -> None: ...


class Store(Protocol):
    """A project's sessions."""

    @property
    def index(self) -> SessionIndex:
        """Lists, names, search and sums. ``ScannedIndex`` is one for any store."""

    async def start(self) -> tuple[str, ...]:
        """Make what is missing, tidy half-made and half-deleted sessions away; the ids whose turn was cut off."""

    async def list_metadata(self, only: Collection[str] | None = None) -> Sequence[Metadata]:
        """Of every session, or only of those with these ids, in no order.

        A session that can't be read is left out and reported in ``problems``.
        """

    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def location(self) -> str:
        """Where the sessions are kept, for people."""

    async def create(self, metadata: Metadata, drafts: Sequence[Draft]) -> SessionLog: ...

    async def open(self, session_id: str) -> SessionLog:
        """Open for reading and writing; ends a cut-off turn as interrupted with all that its journal holds."""

    async def fork(self, source: SessionLog, through: int, metadata: Metadata) -> SessionLog:
        """A new session that begins with the bytes of the source's transcript through the end of turn ``through``."""

    async def measure(self, session_ids: Sequence[str]) -> Sequence[Remains]:
        """What removing these sessions, one after another, would free."""

    async def delete(self, session_id: str, owned: SessionLog | None = None) -> int:
        """Remove a session with its documents, durably; the bytes that this freed. Forks of it stay whole.

        StoreFailed: it is there as before. An open one is removed by its owner alone, who passes its log and has
        nothing more to write: the log answers SessionNotFound from then on. SessionInUse: somebody else has it open.
        """

    async def close(self) -> None: ...
