"""Which session a person means, and which sessions a client asked for. Pure functions over values."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from agentd.core.places import Place, cursor_of, in_order, is_after, place_in, place_of
from agentd.errors import AmbiguousSession, SessionNotFound
from agentd.protocol import ListParams, Session

SHORTEST_PREFIX = 4
CANDIDATES = 50
"""Sessions that a message about too many names at most."""


class Named(Protocol):
    """What a session can be meant by."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def parent_id(self) -> str | None: ...


class Known(NamedTuple):
    """The least that is ``Named``."""

    id: str
    name: str | None
    parent_id: str | None


N = TypeVar("N", bound=Named)


def find(asked: str, sessions: Iterable[N]) -> N:
    """The session of a full id, else of an exact unique name, else of an id's beginning, else of a child's last 8 hex.

    Raises SessionNotFound or AmbiguousSession (with the candidates).
    """
    every = list(sessions)
    wanted = asked.strip()
    for match in _ways(wanted):
        found = [session for session in every if match(session)]
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousSession(asked, [session.id for session in found][:CANDIDATES])
    raise SessionNotFound(asked)


def _ways(wanted: str) -> Iterable[Callable[[Named], bool]]:
    yield lambda session: session.id == wanted
    yield lambda session: session.name == wanted
    if len(wanted) >= SHORTEST_PREFIX:
        yield lambda session: _begins_itself(session) and session.id.startswith(wanted.lower())
    if len(wanted) == 8:
        yield lambda session: session.parent_id is not None and session.id.endswith(wanted.lower())


def _begins_itself(session: Named) -> bool:
    """Its id does not begin as its parent's does, which whoever types a beginning means."""
    return session.parent_id is None or not session.id.startswith(session.parent_id)


class Chosen(NamedTuple):
    """Sessions in order with their places, and how many match on all pages."""

    sessions: list[tuple[Place, Session]]
    total: int


def choose(sessions: Iterable[Session], asked: ListParams, there: Container[str] | None = None) -> Chosen:
    """What matches, after the cursor. All of it: the caller cuts the page. Raises InvalidParams for a wrong cursor.

    ``there``: the ids of sessions that can be somebody's parent, if those are not these alone.
    """
    every = list(sessions)
    there = {session.id for session in every} if there is None else there
    matching = [(place_of(session, asked.sort), session) for session in every if matches(session, asked, there)]
    after = matching
    if asked.cursor is not None:
        cursor = place_in(asked.cursor, asked.sort)
        after = [one for one in matching if is_after(one[0], cursor, asked.sort)]
    return Chosen(in_order(after, lambda one: one[0], asked.sort), len(matching))


@dataclass(frozen=True, slots=True)
class SessionPage:
    sessions: tuple[Session, ...]
    next_cursor: str | None
    total: int


def page(sessions: Iterable[Session], asked: ListParams) -> SessionPage:
    """A page of what matches. The cursor is the place of the last session shown, so it stays right under changes."""
    chosen = choose(sessions, asked)
    shown = chosen.sessions[: asked.limit]
    more = len(chosen.sessions) > len(shown)
    cursor = cursor_of(asked.sort, shown[-1][0]) if more and shown else None
    return SessionPage(tuple(session for _, session in shown), cursor, chosen.total)


def matches(session: Session, asked: ListParams, there: Container[str] = ()) -> bool:
    """Whether it is in the list that was asked for. Sub-sessions only when their parent or some text was named.

    One whose parent is not ``there`` (any more) stands by itself.
    """
    if asked.parent_id is not None:
        if session.parent_id != asked.parent_id:
            return False
    elif is_below(session, there) and not (asked.query or "").strip():
        return False
    if asked.status == "background":
        if not session.background or session.status != "active":
            return False
    elif asked.status != "all" and session.status != asked.status:
        return False
    if asked.tag is not None and asked.tag not in session.tags:
        return False
    return asked.query is None or all(word in haystack(session) for word in words_of(asked.query))


def is_below(session: Named, there: Container[str]) -> bool:
    """Whether it is shown with its parent, not by itself."""
    return session.parent_id is not None and session.parent_id != session.id and session.parent_id in there


def words_of(query: str) -> list[str]:
    """The words that must all occur in a session's haystack."""
    return query.casefold().split()


def haystack(session: Session) -> str:
    """All that a list's query is looked for in, folded."""
    texts = (session.id, session.name, session.description, session.first_message, session.last_prompt, *session.tags)
    return "\n".join(text for text in texts if text).casefold()
