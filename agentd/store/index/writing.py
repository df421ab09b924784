"""Putting what a transcript says into the index, batch by batch. Blocking: call from the index's thread."""

import sqlite3
from typing import NamedTuple

from agentd.store.index.database import NAMES, SHIFT, Words
from agentd.store.index.documents import Batch, Start
from agentd.store.index.rows import forget_documents


class Progress(NamedTuple):
    """How far a session's transcript is indexed. ``stamp``: of its files, when all of them was."""

    number: int
    start: Start
    stamp: str


def progress(connection: sqlite3.Connection, session_id: str) -> Progress | None:
    """None: the index does not have this session."""
    found = connection.execute(
        "SELECT number, segment, offset, seq, log_stamp FROM sessions WHERE id = ?", (session_id,)
    ).fetchone()
    return Progress(found[0], Start(*found[1:4]), found[4]) if found else None


def begin(connection: sqlite3.Connection, number: int, *, anew: bool) -> None:
    """Forget what was indexed of a turn that had not ended then; ``anew``: everything."""
    found = connection.execute("SELECT documents, kept FROM sessions WHERE number = ?", (number,)).fetchone()
    if found is None:
        return
    documents, kept = found
    if anew:
        forget_documents(connection, number, names=False)
        connection.execute(
            "UPDATE sessions SET segment = 0, offset = 0, seq = 0, kept = documents, log_stamp = '' WHERE number = ?",
            (number,),
        )
    elif documents > kept:
        base = number << SHIFT
        connection.execute("DELETE FROM docs WHERE rowid > ? AND rowid < ?", (base + kept, base + NAMES))


def write(connection: sqlite3.Connection, number: int, batch: Batch, stamp: str) -> Words:
    """One batch of a session that may be gone meanwhile; what is left to be added of it, in the same transaction.

    ``stamp`` is set with the last one.
    """
    found = connection.execute("SELECT documents, kept FROM sessions WHERE number = ?", (number,)).fetchone()
    if found is None:
        return []
    last, kept = found
    base = number << SHIFT
    if batch.hidden is not None:
        connection.execute(
            "DELETE FROM docs WHERE rowid > ? AND rowid < ? AND turn > ?", (base, base + NAMES, batch.hidden)
        )
    if last + len(batch.documents) >= NAMES:
        return []  # Eight million documents of one session: the rest of it is not searched.
    connection.executemany(
        "INSERT INTO docs VALUES (?, ?, ?, ?, ?, ?)",
        [(base + n, *document[:5]) for n, document in enumerate(batch.documents, last + 1)],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [total.row(number) for total in batch.turns],
    )
    before = connection.execute("SELECT segment, offset FROM sessions WHERE number = ?", (number,)).fetchone()
    moved = tuple(before) != batch.start[:2]
    connection.execute(
        "UPDATE sessions SET documents = ?, kept = ?, segment = ?, offset = ?, seq = ?, log_stamp = ? WHERE number = ?",
        (
            last + len(batch.documents),
            last + batch.settled if moved else kept,
            *batch.start,
            stamp if batch.ends else "",
            number,
        ),
    )
    return [(base + n, document.text) for n, document in enumerate(batch.documents, last + 1)]
