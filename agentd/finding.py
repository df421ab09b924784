"""Lists, names and search as clients are answered: what is live in this daemon, laid over what the store's index says.

Owns nothing: the sessions are the workspace's. Goes over the open sessions only, and over those of the page.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from agentd.core import lookup
from agentd.core.places import cursor_of, in_order, place_in
from agentd.core.words import terms_of
from agentd.protocol import ListParams, SearchParams
from agentd.session import OpenSession
from agentd.store.api import Store
from agentd.store.finding import Row, TextHit

SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of sessions in order, each as wire JSON, and how many match on all pages.

    ``indexing``: of those that the index has so far.
    """

    rows: tuple[Row, ...]
    next_cursor: str | None
    total: int
    indexing: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A page of places that match, whole sessions, the most recent first."""

    hits: tuple[TextHit, ...]
    next_cursor: str | None
    indexing: bool


class Finding:
    """``recovered``: waits until what a crash cut off has ended."""

    def __init__(
        self, store: Store, sessions: Mapping[str, OpenSession], recovered: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._recovered = recovered

    async def page(self, asked: ListParams) -> Listed:
        """Raises InvalidParams for a cursor that is none."""
        await self._recovered()
        there = await self._parents()
        live = {session.id: session for session in self._sessions.values() if _differs(session)}
        chosen = lookup.choose([session.view() for session in live.values()], asked, there | self._sessions.keys())
        selection = await self._store.index.page(asked, tuple(live))
        rows = [self._row(row) for row in selection.rows]
        if chosen.sessions:
            rows += [Row(view.id, place, view.dump_json()) for place, view in chosen.sessions]
            rows = in_order(rows, lambda row: row.place, asked.sort)
        shown = rows[: asked.limit]
        cursor = cursor_of(asked.sort, shown[-1].place) if len(rows) > len(shown) else None
        return Listed(tuple(shown), cursor, selection.total + chosen.total, selection.indexing)

    async def search(self, asked: SearchParams) -> Found:
        """Raises InvalidParams for a cursor that is none."""
        await self._recovered()
        after = place_in(asked.cursor, SEARCH) if asked.cursor is not None else None
        matches = await self._store.index.search(terms_of(asked.query), asked.status, asked.limit, after)
        hits = [TextHit(self._row(hit.row), hit.turn, hit.kind, hit.snippet, hit.marks) for hit in matches.hits]
        cursor = cursor_of(SEARCH, hits[-1].row.place) if matches.more and hits else None
        return Found(tuple(hits), cursor, matches.indexing)

    async def find(self, asked: str) -> str:
        """The id of the session that a person means by an id, a name or an id's beginning."""
        if asked in self._sessions:
            return asked
        await self._recovered()
        known = {one.id: one for one in await self._store.index.known_as(asked.strip())}
        for session in self._sessions.values():
            known[session.id] = lookup.Known(session.id, session.metadata.name, session.metadata.parent_id)
        return lookup.find(asked, known.values()).id

    async def latest(self) -> str | None:
        """The id of the active session that was used last."""
        await self._store.index.completed()
        listed = await self.page(ListParams(limit=1))
        return listed.rows[0].id if listed.rows else None

    async def counts(self) -> tuple[int, int]:
        """How many sessions are active, and how many archived."""
        await self._recovered()
        return await self._store.index.counts()

    async def _parents(self) -> set[str]:
        """The parents of live sub-sessions that are there, but for the open ones."""
        live = [session.metadata.parent_id for session in self._sessions.values() if _differs(session)]
        wanted = {parent for parent in live if parent is not None and parent not in self._sessions}
        return {parent for parent in wanted for one in await self._store.index.known_as(parent) if one.id == parent}

    def _row(self, row: Row) -> Row:
        """As it is by now: it may have begun to run while the index was asked."""
        session = self._sessions.get(row.id)
        return row._replace(json=session.view().dump_json()) if session and _differs(session) else row


def _differs(session: OpenSession) -> bool:
    """Whether clients are shown something else than the files say."""
    if session.deleted:
        return False
    if session.live is not None or session.metadata_dirty or session.save_pending or session.waiting:
        return True
    return session.metadata is not session.log.metadata and session.metadata != session.log.metadata
