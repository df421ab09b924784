"""What the workspace asks of a store's index: lists, names, full-text search, sums. Values and a protocol.

The file store answers from SQLite (``store/index``), any other store by ``store/scanned.py``, which goes over all
that there is. What is live in the daemon is laid over these answers by ``agentd/finding.py``.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from agentd.core.lookup import Known
from agentd.core.places import Place
from agentd.core.words import Term
from agentd.protocol import ListParams, ListStatus, Session, Usage

IMPORTED = "imported"
"""In a session's own metadata: where an imported one came from."""
HITS_A_SESSION = 3
"""Places that a search shows of one session."""


class Row(NamedTuple):
    """A session in a list: its id, its place in the order that was asked for, and its wire JSON, state idle."""

    id: str
    place: Place
    json: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """Sessions in order, and how many match on all pages. ``indexing``: of those that have been read so far."""

    rows: tuple[Row, ...]
    total: int
    indexing: bool = False


@dataclass(frozen=True, slots=True)
class TextHit:
    """A place that matches. ``turn`` 0 and kind ``name``: name, description and tags. ``marks``: in code points."""

    row: Row
    turn: int
    kind: str
    snippet: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """Most recent session first, newest turn first within it; ``more``: there are further sessions that match.

    ``indexing``: the index is being built, so sessions may be missing yet.
    """

    hits: tuple[TextHit, ...]
    more: bool
    indexing: bool = False


@dataclass(frozen=True, slots=True)
class TurnUse:
    """Turns of one model on one day (YYYY-MM-DD, UTC), summed. ``model`` is empty where it is not known.

    ``usage.cost`` is the sum of those that have one, None when no turn has; ``priced`` counts the turns that have.
    A prompt that was sent again counts once among ``user_messages``.
    """

    model: str
    day: str
    turns: int
    priced: int
    user_messages: int
    assistant_messages: int
    tool_calls: int
    tool_results: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Use:
    """``sessions``: how many were counted. ``rows`` by model and day, in that order."""

    sessions: int
    rows: tuple[TurnUse, ...]


Noticed = Callable[[Literal["created", "deleted"], Session], None]
"""Called on the event loop: a session was copied into the store, or its files were removed by a stranger."""


class SessionIndex(Protocol):
    """Sessions as they are on disk; acknowledged writes show in the next answer. Called from the event loop.

    Raises LoadFailed when nothing can be read at all.
    """

    @property
    def complete(self) -> bool:
        """Whether every session is in lists and counts; while the index is made, the newest ones come first."""

    async def completed(self) -> None:
        """Until every session is in lists and counts."""

    async def page(self, asked: ListParams, without: Collection[str] = ()) -> Selection:
        """The first ``asked.limit`` + 1 sessions after ``asked.cursor``, leaving out those with the ids ``without``.

        Raises InvalidParams for a cursor that is none. ``asked.scope`` is not looked at.
        """

    async def oldest(self, until: str, limit: int, after: Place | None = None) -> Sequence[Row]:
        """Of all sessions, sub-sessions too, last active before ``until``, as text: the first after this place, the
        longest unused first.
        """

    async def known_as(self, wanted: str) -> Sequence[Known]:
        """At least those of all sessions that ``core/lookup.find`` would choose among; of very many, some."""

    async def imported(self) -> Sequence[Session]:
        """All that were imported from other programs, with what is noted of that in their own metadata."""

    async def counts(self) -> tuple[int, int]:
        """How many sessions are active, and how many archived, of those in lists so far; sub-sessions count."""

    async def search(
        self, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None = None
    ) -> Matches:
        """At most ``limit`` places where all terms occur, whole sessions, after the one at this place."""

    async def use(self, session_id: str | None = None) -> Use:
        """Turns by model and day: of one session, what it took over as a fork included, or of all sessions, without
        what forks took over. Turns that ended until now are in it.
        """

    def watch(self, noticed: Noticed) -> None:
        """Tell of sessions that come and go behind the store's back, from now on."""
