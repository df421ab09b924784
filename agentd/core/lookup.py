"""Which session a person means, and which page of sessions a client asked for. Pure functions over metadata."""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agentd.core.metadata import Metadata
from agentd.errors import AmbiguousSession, InvalidParams, SessionNotFound
from agentd.protocol import ListParams, Session

SHORTEST_PREFIX = 4


def find(asked: str, sessions: Iterable[Metadata]) -> Metadata:
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
            raise AmbiguousSession(asked, [session.id for session in found])
    raise SessionNotFound(asked)


def _ways(wanted: str) -> Iterable[Callable[[Metadata], bool]]:
    yield lambda session: session.id == wanted
    yield lambda session: session.name == wanted
    if len(wanted) >= SHORTEST_PREFIX:
        yield lambda session: session.parent_id is None and session.id.startswith(wanted.lower())
    if len(wanted) == 8:
        yield lambda session: session.parent_id is not None and session.id.endswith(wanted.lower())


@dataclass(frozen=True, slots=True)
class SessionPage:
    sessions: tuple[Session, ...]
    next_cursor: str | None
    total: int


def page(sessions: Iterable[Session], asked: ListParams) -> SessionPage:
    """A page of what matches. The cursor is the place of the last session shown, so it stays right under changes."""
    matching = sorted((session for session in sessions if _matches(session, asked)), key=_sort_key(asked.sort))
    start = 0
    if asked.cursor is not None:
        place = _place_of(asked.cursor, asked.sort)
        key = _sort_key(asked.sort)
        start = next((index for index, session in enumerate(matching) if key(session) > place), len(matching))
    shown = matching[start : start + asked.limit]
    more = start + len(shown) < len(matching)
    cursor = _cursor_of(asked.sort, _sort_key(asked.sort)(shown[-1])) if more and shown else None
    return SessionPage(tuple(shown), cursor, len(matching))


def _matches(session: Session, asked: ListParams) -> bool:
    if asked.parent_id is not None:
        if session.parent_id != asked.parent_id:
            return False
    elif session.parent_id is not None and not (asked.query or "").strip():
        return False
    if asked.status == "background":
        if not session.background or session.status != "active":
            return False
    elif asked.status != "all" and session.status != asked.status:
        return False
    if asked.tag is not None and asked.tag not in session.tags:
        return False
    return asked.query is None or _mentions(session, asked.query)


def _mentions(session: Session, query: str) -> bool:
    texts = (session.id, session.name, session.description, session.first_message, session.last_prompt, *session.tags)
    haystack = "\n".join(text for text in texts if text).casefold()
    return all(word in haystack for word in query.casefold().split())


def _sort_key(sort: str) -> Callable[[Session], tuple[Any, ...]]:
    if sort == "name":
        return lambda session: (session.name is None, (session.name or "").casefold(), session.id)
    if sort == "created":
        return lambda session: (_descending(session.created), session.id)
    return lambda session: (_descending(session.last_active), session.id)


def _descending(time: str) -> tuple[int, ...]:
    """Sorts a later RFC 3339 time first."""
    return tuple(-ord(char) for char in time)


def _cursor_of(sort: str, place: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *place]).encode()).decode()


def _place_of(cursor: str, sort: str) -> tuple[Any, ...]:
    """The place in a cursor, for comparing with keys of this sort order. Raises InvalidParams for anything else."""
    try:
        asked, *place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        key = tuple(tuple(part) if isinstance(part, list) else part for part in place)
        if asked == sort and _kinds(key) == _kinds(_sort_key(sort)(_ANY)):
            return key
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidParams("cursor: not one that a list in this order has answered")


def _kinds(key: tuple[Any, ...]) -> list[Any]:
    """What the parts of a key are: only like is compared with like."""
    return [{type(inner) for inner in part} if isinstance(part, tuple) else type(part) for part in key]


_ANY = Session(id="x", created="x", last_active="x")
