"""Lists, names and counts from the index. Blocking: call from the index's thread."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from agentd.core.lookup import CANDIDATES, SHORTEST_PREFIX, Known, words_of
from agentd.core.places import Place, place_in
from agentd.protocol import ListParams, ListStatus, Session
from agentd.store.finding import IMPORTED, Row, Selection
from agentd.store.index.database import sound

_LAST = "\U0010ffff"
_TOTALS = 100
_ORDER = {
    "lastActive": "s.last_active DESC, s.id",
    "created": "s.created DESC, s.id",
    "name": "s.unnamed, s.folded, s.id",
}
_KEY = {"lastActive": "0, s.last_active", "created": "0, s.created", "name": "s.unnamed, s.folded"}


class Totals:
    """How many sessions match, kept until something is written: to count is most of what a page costs."""

    def __init__(self) -> None:
        self._changes = -1
        self._known: dict[tuple[str, ...], int] = {}

    def count(self, connection: sqlite3.Connection, matching: str, values: Sequence[Any]) -> int:
        if connection.total_changes != self._changes or len(self._known) > _TOTALS:
            self._changes = connection.total_changes
            self._known.clear()
        key = (matching, *map(str, values))
        if key not in self._known:
            counting = f"SELECT count(*) FROM sessions s WHERE {matching}"  # noqa: S608
            (self._known[key],) = connection.execute(counting, values).fetchone()
        return self._known[key]


def page(
    connection: sqlite3.Connection,
    asked: ListParams,
    without: Collection[str],
    totals: Totals | None = None,
    *,
    complete: bool = True,
) -> Selection:
    """See ``SessionIndex.page``. Unless all are in, a parent that is not may be there all the same."""
    where, values = _where(asked)
    if "s.child = 0" in where and not complete:
        where.append("s.parent_id IS NULL")
    if without:
        # Few: what is live and differs from its files.
        where.append(f"s.id NOT IN ({', '.join('?' * len(without))})")
        values += without
    matching = " AND ".join(where) or "1"
    total = (totals or Totals()).count(connection, matching, values)
    if asked.cursor is not None:
        after, more = _after(place_in(asked.cursor, asked.sort), asked.sort)
        matching += f" AND {after}"
        values += more
    order = _ORDER[asked.sort]
    rows = connection.execute(
        f"SELECT p.id, {_KEY[asked.sort].replace('s.', 'p.')}, v.json, v.crc FROM"  # noqa: S608
        f" (SELECT * FROM sessions s WHERE {matching} ORDER BY {order} LIMIT ?) p"
        f" JOIN views v ON v.number = p.number ORDER BY {order.replace('s.', 'p.')}",
        [*values, asked.limit + 1],
    ).fetchall()
    return Selection(
        tuple(Row(one, Place(bool(last), key, one), sound(*view)) for one, last, key, *view in rows), total
    )


def _where(asked: ListParams) -> tuple[list[str], list[Any]]:
    """As ``core/lookup.matches``, in SQL."""
    where: list[str] = []
    values: list[Any] = []
    if asked.parent_id is not None:
        where.append("s.parent_id = ?")
        values.append(asked.parent_id)
    elif not (asked.query or "").strip():
        where.append("s.child = 0")
    where += status_is(asked.status)
    if asked.tag is not None:
        where.append("s.number IN (SELECT number FROM tags WHERE tag = ?)")
        values.append(asked.tag)
    for word in words_of(asked.query or ""):
        where.append("instr(s.haystack, ?)")
        values.append(word)
    return where, values


def status_is(status: ListStatus) -> list[str]:
    """Conditions on ``s``."""
    if status == "background":
        return ["s.background = 1", "s.status = 'active'"]
    return [] if status == "all" else [f"s.status = '{status}'"]


def _after(place: Place, sort: str) -> tuple[str, list[Any]]:
    if sort == "name":
        return "(s.unnamed, s.folded, s.id) > (?, ?, ?)", [place.last, place.key, place.id]
    column = "s.created" if sort == "created" else "s.last_active"
    return f"{column} <= ? AND ({column} < ? OR s.id > ?)", [place.key, place.key, place.id]


def oldest(connection: sqlite3.Connection, until: str, limit: int, after: Place | None) -> list[Row]:
    """See ``SessionIndex.oldest``."""
    start = (after.key, after.key, after.id) if after else ("", "", "")
    rows = connection.execute(
        "SELECT s.id, s.last_active, v.json, v.crc FROM sessions s JOIN views v USING (number)"
        " WHERE s.last_active < ? AND s.last_active >= ? AND (s.last_active > ? OR s.id > ?)"
        " ORDER BY s.last_active, s.id LIMIT ?",
        (until, *start, limit),
    ).fetchall()
    return [Row(one, Place(False, key, one), sound(*view)) for one, key, *view in rows]


def known_as(connection: sqlite3.Connection, wanted: str) -> list[Known]:
    """See ``SessionIndex.known_as``. Each way goes over an index: opening by a full id lists nothing."""
    columns = "SELECT id, name, parent_id FROM sessions"
    found = connection.execute(f"{columns} WHERE id = ?", (wanted,)).fetchall()
    if not found:
        found += connection.execute(f"{columns} WHERE name = ? LIMIT ?", (wanted, CANDIDATES)).fetchall()
        low = wanted.lower()
        if len(wanted) >= SHORTEST_PREFIX:
            own = "(parent_id IS NULL OR substr(id, 1, length(parent_id)) <> parent_id)"
            beginning = f"{columns} WHERE id >= ? AND id < ? AND {own} LIMIT ?"
            found += connection.execute(beginning, (low, low + _LAST, CANDIDATES)).fetchall()
        if len(wanted) == 8:
            found += connection.execute(f"{columns} WHERE tail = ? LIMIT ?", (low, CANDIDATES)).fetchall()
    return list({one[0]: Known(*one) for one in found}.values())


def imported(connection: sqlite3.Connection) -> list[Session]:
    """See ``SessionIndex.imported``."""
    found = connection.execute("SELECT json, crc FROM views WHERE instr(json, ?)", (f'"{IMPORTED}":'.encode(),))
    sessions = [Session.model_validate_json(sound(*view)) for view in found]
    return [session for session in sessions if IMPORTED in session.metadata]


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """See ``SessionIndex.counts``."""
    rows = dict(connection.execute("SELECT status, count(*) FROM sessions GROUP BY status").fetchall())
    return rows.get("active", 0), rows.get("archived", 0)
