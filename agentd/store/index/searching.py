"""Full-text search in the index: which documents of which sessions. Blocking: call from the index's thread.

Few matches are all taken and put in order. Of many only the first page is looked for: the documents of the most recent
sessions are picked out first, and should the word be rare among these, all sessions that match are put in order.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from agentd.core.places import Place
from agentd.core.words import Term, expression
from agentd.protocol import ListStatus
from agentd.store.finding import HITS_A_SESSION, Row
from agentd.store.index.database import SHIFT, sound
from agentd.store.index.listing import status_is

FEW = 2000
"""Documents: so many are taken and sorted."""
AT_ONCE = 60
"""Sessions whose documents are picked out of many at once."""


class Match(NamedTuple):
    """A document that matches: its place in the transcript, for reading it back. Turn 0: the session's title."""

    row: Row
    turn: int
    kind: str
    segment: int
    offset: int
    length: int
    title: str


class Found(NamedTuple):
    matches: list[Match]
    more: bool


def search(
    connection: sqlite3.Connection, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None
) -> Found:
    """Whole sessions, most recent first, until ``limit`` documents; newest first within one."""
    if not terms:
        return Found([], False)
    asked = expression(terms)
    rowids = [
        rowid
        for (rowid,) in connection.execute("SELECT rowid FROM words WHERE words MATCH ? LIMIT ?", (asked, FEW + 1))
    ]
    if len(rowids) <= FEW:
        return _page(connection, _few(connection, rowids, status, after), limit)
    return _page(connection, _many(connection, asked, status, after), limit)


class _Session(NamedTuple):
    number: int
    row: Row
    title: str
    rowids: list[int]


_COLUMNS = "s.id, s.last_active, v.json, v.crc, s.title"


def _few(
    connection: sqlite3.Connection, rowids: list[int], status: ListStatus, after: Place | None
) -> Iterable[_Session]:
    """All sessions of these documents, in order."""
    numbers = sorted({rowid >> SHIFT for rowid in rowids})
    where, values = _conditions(status, after)
    chosen = connection.execute(
        f"SELECT s.number FROM sessions s WHERE s.number IN ({', '.join('?' * len(numbers))}){where}"  # noqa: S608
        " ORDER BY s.last_active DESC, s.id",
        [*numbers, *values],
    ).fetchall()
    of = {number: list(group) for number, group in groupby(rowids, lambda rowid: rowid >> SHIFT)}
    for (number,) in chosen:
        yield _session(connection, number, of[number][::-1])


def _many(connection: sqlite3.Connection, asked: str, status: ListStatus, after: Place | None) -> Iterable[_Session]:
    """First of the most recent sessions, where a common word is; then of all that match."""
    where, values = _conditions(status, after)
    order = "ORDER BY s.last_active DESC, s.id LIMIT ?"
    recent = connection.execute(
        f"SELECT s.number FROM sessions s WHERE 1{where} {order}",  # noqa: S608
        [*values, AT_ONCE],
    ).fetchall()
    yield from _those(connection, asked, [number for (number,) in recent])
    if len(recent) < AT_ONCE:
        return
    matching = connection.execute(
        f"SELECT s.number FROM sessions s WHERE s.number IN"  # noqa: S608
        f" (SELECT DISTINCT rowid >> {SHIFT} FROM words WHERE words MATCH ?){where} {order}",
        [asked, *values, FEW],
    ).fetchall()
    looked = {number for (number,) in recent}
    rest = [number for (number,) in matching if number not in looked]
    for start in range(0, len(rest), AT_ONCE):
        yield from _those(connection, asked, rest[start : start + AT_ONCE])


def _those(connection: sqlite3.Connection, asked: str, numbers: Sequence[int]) -> Iterable[_Session]:
    """Those of these sessions that match, in one pass over what matches anywhere: as quick as one session's alone."""
    found = connection.execute(
        f"SELECT rowid FROM words WHERE words MATCH ? AND rowid >> {SHIFT} IN"  # noqa: S608
        f" ({', '.join('?' * len(numbers))})",
        [asked, *numbers],
    ).fetchall()
    of = {number: list(group) for number, group in groupby((one for (one,) in found), lambda one: one >> SHIFT)}
    for number in numbers:
        if number in of:
            yield _session(connection, number, of[number][::-1])


def _conditions(status: ListStatus, after: Place | None) -> tuple[str, list[Any]]:
    where = status_is(status)
    values: list[Any] = []
    if after is not None:
        where.append("s.last_active <= ? AND (s.last_active < ? OR s.id > ?)")
        values += [after.key, after.key, after.id]
    return "".join(f" AND {condition}" for condition in where), values


def _session(connection: sqlite3.Connection, number: int, rowids: list[int]) -> _Session:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions s JOIN views v USING (number) WHERE s.number = ?",  # noqa: S608
        (number,),
    ).fetchone()
    session_id, last_active, json, crc, title = found
    row = Row(session_id, Place(False, last_active, session_id), sound(json, crc))
    return _Session(number, row, title, rowids)


def _page(connection: sqlite3.Connection, sessions: Iterable[_Session], limit: int) -> Found:
    matches: list[Match] = []
    for session in sessions:
        here: list[Match] = []
        for rowid in session.rowids:
            if len(here) == HITS_A_SESSION:
                break
            document = connection.execute(
                "SELECT turn, kind, segment, offset, length FROM docs WHERE rowid = ?", (rowid,)
            ).fetchone()
            # None: its words are in the index still, but the document was forgotten.
            if document is not None:
                turn, kind, segment, offset, length = document
                here.append(Match(session.row, turn, kind, segment, offset, length, session.title))
        if here and matches and len(matches) + len(here) > limit:
            return Found(matches, True)
        matches += here[:limit]
    return Found(matches, False)
