"""``agentd/session/list`` and ``/search``, of this project and of all of them."""

from collections.abc import Iterable, Sequence

from pydantic import PrivateAttr

from agentd.core.places import cursor_of, in_order
from agentd.finding import SEARCH
from agentd.protocol import ListParams, SearchParams, Wire
from agentd.server import elsewhere, messages
from agentd.server.handlers.context import Context
from agentd.store.finding import Row, TextHit


class Encoded(Wire):
    """A result that is JSON already: what the index keeps of a session goes out as it stands."""

    _json: bytes = PrivateAttr(default=b"{}")

    @classmethod
    def of(cls, json: bytes) -> "Encoded":
        made = cls()
        made._json = json
        return made

    def dump_json(self) -> bytes:
        return self._json


async def list_sessions(context: Context, params: ListParams) -> Encoded:
    listed = await context.workspace.finding.page(params)
    if params.scope == "project":
        return _list(listed.rows, listed.next_cursor, listed.total, listed.indexing)
    others = await elsewhere.lists(context.workspace, params)
    own = elsewhere.rooted(listed.rows, str(context.workspace.root))
    rows = in_order([*own, *others.rows], lambda row: row.place, params.sort)
    shown = rows[: params.limit]
    more = len(rows) > len(shown) or listed.next_cursor is not None or others.more
    cursor = cursor_of(params.sort, shown[-1].place) if more and shown else None
    return _list(shown, cursor, listed.total + others.total, listed.indexing, others.problems)


async def search(context: Context, params: SearchParams) -> Encoded:
    found = await context.workspace.finding.search(params)
    if params.scope == "project":
        return _hits(found.hits, found.next_cursor, found.indexing)
    others = await elsewhere.searches(context.workspace, params)
    root = str(context.workspace.root)
    own = [
        TextHit(elsewhere.with_root(hit.row, root), hit.turn, hit.kind, hit.snippet, hit.marks) for hit in found.hits
    ]
    every = in_order([*own, *others.hits], lambda hit: hit.row.place, "lastActive")
    shown: list[TextHit] = []
    for hit in every:
        # Sessions are shown whole, so that the cursor is a place between two.
        if len(shown) >= params.limit and hit.row.id != shown[-1].row.id:
            break
        shown.append(hit)
    more = len(shown) < len(every) or found.next_cursor is not None or others.more
    cursor = cursor_of(SEARCH, shown[-1].row.place) if more and shown else None
    return _hits(shown, cursor, found.indexing or others.indexing, others.problems)


def _list(rows: Sequence[Row], cursor: str | None, total: int, indexing: bool, problems: Sequence[str] = ()) -> Encoded:
    sessions = b'"sessions":[' + b",".join([row.json for row in rows]) + b"]"
    more = [b'"indexing":true'] if indexing else []
    return _object(
        [sessions, *_member("nextCursor", cursor), b'"total":%d' % total, *more, *_member("problems", problems)]
    )


def _hits(hits: Sequence[TextHit], cursor: str | None, indexing: bool, problems: Sequence[str] = ()) -> Encoded:
    found = b'"hits":[' + b",".join([_hit(hit) for hit in hits]) + b"]"
    members = [*_member("nextCursor", cursor), *_member("problems", problems)]
    return _object([found, b'"indexing":' + (b"true" if indexing else b"false"), *members])


def _hit(hit: TextHit) -> bytes:
    place = {"turn": hit.turn, "kind": hit.kind, "snippet": hit.snippet, "marks": [list(mark) for mark in hit.marks]}
    return b'{"session":' + hit.row.json + b"," + messages.encode(place)[1:]


def _member(name: str, value: object) -> Iterable[bytes]:
    """Absent rather than empty."""
    return [messages.encode({name: value})[1:-1]] if value else []


def _object(members: Sequence[bytes]) -> Encoded:
    return Encoded.of(b"{" + b",".join(members) + b"}")
