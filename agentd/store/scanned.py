"""An index that is none: every question goes over all sessions. For stores without one of their own (the one in
memory, a person's own), and for a project's files while no SQLite can be had. Owns nothing.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol

from agentd.core import lookup
from agentd.core.metadata import Metadata, session_view
from agentd.core.places import Place, in_order, is_after, place_of
from agentd.core.words import Term, snippet, spans
from agentd.protocol import Item, ListParams, ListStatus, Session, Turn, Usage
from agentd.store.finding import HITS_A_SESSION, Matches, Noticed, Row, Selection, TextHit, TurnUse, Use


class Readable(Protocol):
    """What is gone over."""

    async def list_metadata(self) -> Sequence[Metadata]: ...

    def every_turn(self, session_id: str) -> AsyncIterator[Turn]:
        """A session's turns, newest first, cleared and compacted ones included. Raises LoadFailed."""


class ScannedIndex:
    """See ``SessionIndex``."""

    def __init__(self, store: Readable) -> None:
        self._store = store

    async def page(self, asked: ListParams, without: Collection[str] = ()) -> Selection:
        sessions = [_view(one) for one in await self._store.list_metadata() if one.id not in without]
        chosen = lookup.choose(sessions, asked)
        rows = [Row(session.id, place, session.dump_json()) for place, session in chosen.sessions[: asked.limit + 1]]
        return Selection(tuple(rows), chosen.total)

    async def known_as(self, wanted: str) -> Sequence[lookup.Known]:
        return [lookup.Known(one.id, one.name, one.parent_id) for one in await self._store.list_metadata()]

    async def counts(self) -> tuple[int, int]:
        statuses = [one.status for one in await self._store.list_metadata()]
        return statuses.count("active"), statuses.count("archived")

    async def search(
        self, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None = None
    ) -> Matches:
        hits: list[TextHit] = []
        asked = ListParams(status=status, query="")
        for session in _recent(await self._store.list_metadata(), after):
            if not lookup.matches(session.model_copy(update={"parent_id": None}), asked):
                continue
            here = await self._hits(session, terms)
            if here and hits and len(hits) + len(here) > limit:
                return Matches(tuple(hits), more=True)
            hits += here[:limit]
        return Matches(tuple(hits), more=False)

    async def _hits(self, session: Session, terms: Sequence[Term]) -> list[TextHit]:
        row = Row(session.id, place_of(session, "lastActive"), session.dump_json())
        title = "\n".join(text for text in (session.name, session.description, " · ".join(session.tags)) if text)
        found: list[TextHit] = []
        if terms and _all_in(title, terms):
            found.append(TextHit(row, 0, "name", *snippet(title, terms)))
        async for turn in self._store.every_turn(session.id):
            for item in reversed(turn.items):
                if len(found) == HITS_A_SESSION:
                    return found
                text = _text(item)
                if terms and item.kind in ("prompt", "text", "tool", "notice") and _all_in(text, terms):
                    found.append(TextHit(row, turn.number, item.kind, *snippet(text, terms)))
        return found

    async def use(self, session_id: str | None = None) -> Use:
        counted = 0
        sums: dict[tuple[str, str], TurnUse] = {}
        for one in await self._store.list_metadata():
            if session_id not in (None, one.id):
                continue
            counted += 1
            inherited = one.forked_from.turn if one.forked_from and session_id is None else 0
            async for turn in self._store.every_turn(one.id):
                if turn.number > inherited:
                    key = (turn.model or "", turn.started[:10])
                    sums[key] = _plus(sums.get(key), turn, *key)
        return Use(counted, tuple(sums[key] for key in sorted(sums)))

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
    return all(spans(text, [term]) for term in terms)


def _text(item: Item) -> str:
    if item.kind != "tool":
        return item.text or ""
    given = [str(value) for value in (item.input or {}).values() if isinstance(value, str | int | float)]
    return "\n".join(part for part in (item.name or "", *given, item.output or "") if part)


def _plus(before: TurnUse | None, turn: Turn, model: str, day: str) -> TurnUse:
    usage = turn.usage or Usage()
    users = sum(item.kind == "prompt" for item in turn.items) - (turn.retry_of is not None)
    spoken = ["user" if item.kind == "prompt" else "model" for item in turn.items if item.kind in _SPOKEN]
    replies = sum(who == "model" != last for who, last in zip(spoken, ["", *spoken], strict=False))
    tools = [item for item in turn.items if item.kind == "tool"]
    ended = sum(item.output is not None or item.status in ("completed", "failed", "denied") for item in tools)
    return TurnUse(
        model=model,
        day=day,
        turns=1 + (before.turns if before else 0),
        priced=(usage.cost is not None) + (before.priced if before else 0),
        user_messages=max(users, 0) + (before.user_messages if before else 0),
        assistant_messages=replies + (before.assistant_messages if before else 0),
        tool_calls=len(tools) + (before.tool_calls if before else 0),
        tool_results=ended + (before.tool_results if before else 0),
        usage=before.usage.plus(usage) if before else usage,
    )


_SPOKEN = frozenset({"prompt", "text", "tool"})
