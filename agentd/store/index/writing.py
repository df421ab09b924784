"""Putting what a transcript says into the index, batch by batch. Blocking: call from the index's thread."""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from agentd.store.index.database import NAMES, SHIFT, Words
from agentd.store.index.documents import Batch, Start
from agentd.store.index.rows import forget_documents

_AT_ONCE = 64
"""Sessions that one statement is about."""
_ROWS = 1000


class Progress(NamedTuple):
    """How far a session's transcript is indexed. ``stamp``: of its files, when all of them was.

    ``documents``: numbers that were given to documents of it so far. None is given twice. ``kept``: of those up to
    here, the turn has ended.
    """

    number: int
    start: Start
    stamp: str
    documents: int
    kept: int


class Part(NamedTuple):
    """A batch of a session's transcript, to be written after so many ``documents`` of it.

    ``begins``: the first one since it was read last, so that what was open then, after ``kept``, is forgotten;
    ``anew``: all of it is.
    """

    number: int
    documents: int
    batch: Batch
    stamp: str
    begins: bool = False
    anew: bool = False
    kept: int = 0


def progress(connection: sqlite3.Connection, session_id: str) -> Progress | None:
    """None: the index does not have this session."""
    found = connection.execute(
        "SELECT number, segment, offset, seq, log_stamp, documents, kept FROM sessions WHERE id = ?", (session_id,)
    ).fetchone()
    return Progress(found[0], Start(*found[1:4]), *found[4:]) if found else None


def progress_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[tuple[str, Progress]]:
    """Likewise of many, those that the index has, in their order."""
    found = connection.execute(
        "SELECT id, number, segment, offset, seq, log_stamp, documents, kept FROM sessions"  # noqa: S608
        f" WHERE id IN ({', '.join('?' * len(ids))})",
        list(ids),
    ).fetchall()
    of = {one: Progress(number, Start(*rest[:3]), *rest[3:]) for one, number, *rest in found}
    return [(one, of[one]) for one in ids if one in of]


def forget(connection: sqlite3.Connection, number: int) -> None:
    """Forget what was indexed of a session's transcript."""
    forget_documents(connection, number, names=False)
    connection.execute(
        "UPDATE sessions SET segment = 0, offset = 0, seq = 0, kept = documents, log_stamp = '' WHERE number = ?",
        (number,),
    )


def _begin(connection: sqlite3.Connection, part: Part) -> None:
    """Forget what was indexed of a turn that had not ended then, or everything."""
    if part.anew:
        forget(connection, part.number)
    elif part.documents > part.kept:
        base = part.number << SHIFT
        connection.execute("DELETE FROM docs WHERE rowid > ? AND rowid < ?", (base + part.kept, base + NAMES))


def words_of(part: Part) -> Words:
    """What is to be added of it to the words' table, before it is written."""
    if part.documents + len(part.batch.documents) >= NAMES:
        return []  # Eight million documents of one session: the rest of it is not searched.
    base = part.number << SHIFT
    return [(base + n, document.text) for n, document in enumerate(part.batch.documents, part.documents + 1)]


def write(connection: sqlite3.Connection, parts: Sequence[Part]) -> None:
    """Batches of sessions that may be gone meanwhile, in order. A stamp is set with a session's last one.

    In few statements: between two of them the thread waits for its turn to run Python.
    """
    rest = list(parts)
    while rest:
        of: dict[int, Part] = {}
        while rest and rest[0].number not in of and len(of) < _AT_ONCE:
            part = rest.pop(0)
            of[part.number] = part
        _write(connection, of)


def _write(connection: sqlite3.Connection, of: dict[int, Part]) -> None:
    for part in of.values():
        if part.begins:
            _begin(connection, part)
    marks = ", ".join("?" * len(of))
    found = connection.execute(
        f"SELECT number, documents, kept, segment, offset FROM sessions WHERE number IN ({marks})",  # noqa: S608
        [*of],
    ).fetchall()
    documents: list[tuple[Any, ...]] = []
    turns: list[tuple[Any, ...]] = []
    sessions: list[tuple[Any, ...]] = []
    for number, last, kept, *before in found:
        part = of[number]
        batch, base = part.batch, number << SHIFT
        if last != part.documents or last + len(batch.documents) >= NAMES:
            # Written by another reader, which was not told of this one: the next one reads on from there.
            continue
        if batch.hidden is not None:
            connection.execute(
                "DELETE FROM docs WHERE rowid > ? AND rowid < ? AND turn > ?", (base, base + NAMES, batch.hidden)
            )
        documents += [(base + n, *document[:5]) for n, document in enumerate(batch.documents, last + 1)]
        turns += [total.row(number) for total in batch.turns]
        kept = last + batch.settled if tuple(before) != batch.start[:2] else kept
        stamp = part.stamp if batch.ends else ""
        sessions.append((number, last + len(batch.documents), kept, *batch.start, stamp))
    _put(connection, "INSERT INTO docs {}", documents)
    _put(connection, "INSERT OR REPLACE INTO turns {}", turns)
    _put(connection, _PROGRESS, sessions)


_PROGRESS = """
WITH p (number, documents, kept, segment, offset, seq, log_stamp) AS ({})
UPDATE sessions SET documents = p.documents, kept = p.kept, segment = p.segment, offset = p.offset, seq = p.seq,
    log_stamp = p.log_stamp
FROM p WHERE sessions.number = p.number
"""


def _put(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        row = f"({', '.join('?' * len(some[0]))})"
        values = f"VALUES {', '.join([row] * len(some))}"
        connection.execute(statement.format(values), [*chain.from_iterable(some)])
