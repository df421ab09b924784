"""An index that is none: every question goes over all sessions. For stores without one of their own (the one in
memory, a person's own), and for a project's files while no SQLite can be had. Owns nothing.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol

from agentd.core import lookup
from agentd.core.metadata import Metadata, session_view
from agentd.core.places import Place, in_order, is_after, place_of
from agentd.core.records import Record
from agentd.core.words import Term, snippet, spans
from agentd.protocol import ListParams, ListStatus, Session, Usage
from agentd.store.finding import HITS_A_SESSION, IMPORTED, Matches, Noticed, Row, Selection, TextHit, TurnUse, Use
from agentd.store.index.documents import TurnSum, document_kind, document_turn, text_of
from agentd.store.index.rows import title_of


class Readable(Protocol):
    """What is gone over."""

    async def list_metadata(self) -> Sequence[Metadata]: ...

    def records(self, session_id: str) -> AsyncIterator[Record]:
        """A session's transcript, oldest first. Raises LoadFailed."""


class ScannedIndex:
    """See ``SessionIndex``."""

    def __init__(self, store: Readable) -> None:
        self._store = store

    @property
    def complete(self) -> bool:
        return True

    async def completed(self) -> None:
        """It always is."""

    async def page(self, asked: ListParams, without: Collection[str] = ()) -> Selection:
        listed = await self._store.list_metadata()
        sessions = [_view(one) for one in listed if one.id not in without]
        chosen = lookup.choose(sessions, asked, {one.id for one in listed})
        rows = [Row(session.id, place, session.dump_json()) for place, session in chosen.sessions[: asked.limit + 1]]
        return Selection(tuple(rows), chosen.total)

    async def oldest(self, until: str, limit: int, after: Place | None = None) -> Sequence[Row]:
        views = [_view(one) for one in await self._store.list_metadata() if one.last_active < until]
        rows = [Row(view.id, place_of(view, "lastActive"), view.dump_json()) for view in views]
        rows = [row for row in rows if after is None or (row.place.key, row.id) > (after.key, after.id)]
        return sorted(rows, key=lambda row: (row.place.key, row.id))[:limit]

    async def known_as(self, wanted: str) -> Sequence[lookup.Known]:
        return [lookup.Known(one.id, one.name, one.parent_id) for one in await self._store.list_metadata()]

    async def imported(self) -> Sequence[Session]:
        return [_view(one) for one in await self._store.list_metadata() if IMPORTED in one.metadata]

    async def counts(self) -> tuple[int, int]:
        statuses = [one.status for one in await self._store.list_metadata()]
        return statuses.count("active"), statuses.count("archived")

    async def search(
        self, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None = None
    ) -> Matches:
        hits: list[TextHit] = []
        asked = ListParams(status=status, query="")
        for session in _recent(await self._store.list_metadata(), after):
            if not lookup.matches(session, asked):
                continue
            here = await self._hits(session, terms)
            if here and hits and len(hits) + len(here) > limit:
                return Matches(tuple(hits), more=True)
            hits += here[:limit]
        return Matches(tuple(hits), more=False)

    async def _hits(self, session: Session, terms: Sequence[Term]) -> list[TextHit]:
        row = Row(session.id, place_of(session, "lastActive"), session.dump_json())
        title = title_of(session)
        # The newest ones: turn, kind and text.
        found: deque[tuple[int, str, str]] = deque(maxlen=HITS_A_SESSION)
        async for record in self._store.records(session.id):
            text = text_of(record)
            if text and _all_in(text, terms):
                found.append((document_turn(record), document_kind(record), text))
        named = [(0, "name", title)] if _all_in(title, terms) else []
        shown = [*named, *reversed(found)][:HITS_A_SESSION]
        return [TextHit(row, turn, kind, *snippet(text, terms)) for turn, kind, text in shown]

    async def use(self, session_id: str | None = None) -> Use:
        counted = 0
        used: dict[tuple[str, str], TurnUse] = {}
        for one in await self._store.list_metadata():
            if session_id not in (None, one.id):
                continue
            counted += 1
            inherited = one.forked_from.turn if one.forked_from and session_id is None else 0
            sums: dict[int, TurnSum] = {}
            async for record in self._store.records(one.id):
                if record.turn > inherited and record.kind != "mark":
                    sums.setdefault(record.turn, TurnSum(record.turn)).add(record)
            for turn in sums.values():
                key = (turn.model, turn.day)
                used[key] = _plus(used.get(key), turn)
        return Use(counted, tuple(used[key] for key in sorted(used)))

    def watch(self, noticed: Noticed) -> None:
        """Nobody comes behind its back."""


def _view(metadata: Metadata) -> Session:
    return session_view(metadata, "idle")


def _recent(listed: Sequence[Metadata], after: Place | None) -> list[Session]:
    sessions = [_view(one) for one in listed]
    place: Callable[[Session], Place] = lambda session: place_of(session, "lastActive")  # noqa: E731
    later = [one for one in sessions if after is None or is_after(place(one), after, "lastActive")]
    return in_order(later, place, "lastActive")


def _all_in(text: str, terms: Sequence[Term]) -> bool:
    return bool(terms) and all(spans(text, [term]) for term in terms)


def _plus(before: TurnUse | None, turn: TurnSum) -> TurnUse:
    _, _, day, model, users, assistants, calls, results, given, made, read, written, cost = turn.row(0)
    usage = Usage(input_tokens=given, output_tokens=made, cache_read_tokens=read, cache_write_tokens=written, cost=cost)
    if before is None:
        return TurnUse(model, day, 1, cost is not None, users, assistants, calls, results, usage)
    return TurnUse(
        model,
        day,
        before.turns + 1,
        before.priced + (cost is not None),
        before.user_messages + users,
        before.assistant_messages + assistants,
        before.tool_calls + calls,
        before.tool_results + results,
        before.usage.plus(usage),
    )
