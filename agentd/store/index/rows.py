"""A session's row: what lists, names and filters need of its metadata. Blocking: call from the index's thread.

A row is replaced whole; its number, which its documents carry, stays.
"""

import sqlite3
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from agentd.core.fold import MOST_TURNS
from agentd.core.lookup import haystack
from agentd.core.metadata import Metadata, session_view
from agentd.core.places import folded
from agentd.core.words import indexed
from agentd.protocol import Session
from agentd.store.index.database import NAMES, SHIFT, Words, add_words


class SessionRow(NamedTuple):
    """Made on any thread; ``stamp`` is of the file that the metadata was read from."""

    id: str
    stamp: str
    parent_id: str | None
    status: str
    background: bool
    last_active: str
    created: str
    name: str | None
    folded: str
    inherited: int
    title: str
    haystack: str
    tags: tuple[str, ...]
    json: bytes

    @classmethod
    def of(cls, metadata: Metadata, stamp: str) -> "SessionRow":
        view = session_view(metadata, "idle")
        return cls(
            id=_text(metadata.id),
            stamp=stamp,
            parent_id=view.parent_id and _text(view.parent_id),
            status=view.status,
            background=view.background,
            last_active=_text(view.last_active),
            created=_text(view.created),
            name=view.name and _text(view.name),
            folded=_text(folded(view.name)),
            inherited=max(0, min(view.forked_from.turn, MOST_TURNS)) if view.forked_from else 0,
            title=_text(title_of(view)),
            haystack=_text(haystack(view)),
            tags=tuple(dict.fromkeys(map(_text, view.tags))),
            json=view.dump_json(),
        )


def title_of(view: Session) -> str:
    """What search looks at besides the transcript."""
    return "\n".join(text for text in (view.name, view.description, " · ".join(view.tags)) if text)


def _text(text: str) -> str:
    """As SQLite takes it: half of a surrogate pair has no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_UPSERT = """
INSERT INTO sessions (id, child, parent_id, tail, status, background, last_active, created, unnamed, folded, name,
    inherited, title, haystack, stamp)
VALUES (?, EXISTS (SELECT 1 FROM sessions WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)
ON CONFLICT (id) DO UPDATE SET child = excluded.child, parent_id = excluded.parent_id, tail = excluded.tail,
    status = excluded.status, background = excluded.background, last_active = excluded.last_active,
    created = excluded.created, unnamed = excluded.unnamed, folded = excluded.folded, name = excluded.name,
    inherited = excluded.inherited, haystack = excluded.haystack, stamp = excluded.stamp
RETURNING number, title, names
"""


_AT_ONCE = 500
_PARENTS_CAME = "UPDATE sessions SET child = 1 WHERE parent_id IN ({}) AND parent_id <> id AND +child = 0"
"""``child``: its parent is there, so that it is listed with it and not by itself."""


def put_all(connection: sqlite3.Connection, put: Iterable[SessionRow]) -> None:
    """Insert or replace. Within a transaction of the caller's."""
    words: Words = []
    ids = []
    for row in put:
        _put(connection, row, words)
        ids.append(row.id)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        connection.execute(_PARENTS_CAME.format(", ".join("?" * len(some))), some)
    add_words(connection, words)


def _put(connection: sqlite3.Connection, row: SessionRow, words: Words) -> None:
    above = row.parent_id if row.parent_id != row.id else None
    tail = row.id[-8:] if row.parent_id is not None else None
    values = (
        *(row.id, above, row.parent_id, tail, row.status, row.background),
        *(row.last_active, row.created, row.name is None, row.folded, row.name, row.inherited, row.haystack),
        row.stamp,
    )
    (number, title, names), *_ = connection.execute(_UPSERT, values).fetchall()
    connection.execute("INSERT OR REPLACE INTO views VALUES (?, ?, ?)", (number, row.json, zlib.crc32(row.json)))
    if title != row.title:
        _put_title(connection, number, names, row, words)
    there = {tag for (tag,) in connection.execute("SELECT tag FROM tags WHERE number = ?", (number,))}
    if there != set(row.tags):
        connection.execute("DELETE FROM tags WHERE number = ?", (number,))
        connection.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, number) for tag in row.tags])


def _put_title(connection: sqlite3.Connection, number: int, names: int, row: SessionRow, words: Words) -> None:
    base = number << SHIFT
    connection.execute("DELETE FROM docs WHERE rowid = ?", (base + NAMES + names,))
    names = (names + 1) % (NAMES - 1)
    connection.execute("UPDATE sessions SET title = ?, names = ? WHERE number = ?", (row.title, names, number))
    if row.title:
        rowid = base + NAMES + names
        connection.execute("INSERT INTO docs VALUES (?, 0, 'name', 0, 0, 0)", (rowid,))
        words.append((rowid, indexed(row.title)))


def remove(connection: sqlite3.Connection, session_id: str) -> bytes | None:
    """Forget a session; its wire JSON as it was last known. The words of its documents point to nothing now."""
    found = connection.execute(
        "SELECT number, json FROM sessions JOIN views USING (number) WHERE id = ?", (session_id,)
    ).fetchone()
    if found is None:
        return None
    number, json = found
    forget_documents(connection, number)
    for table in ("views", "tags", "sessions"):
        connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608
    connection.execute("UPDATE sessions SET child = 0 WHERE parent_id = ?", (session_id,))
    return bytes(json)


def forget_documents(connection: sqlite3.Connection, number: int, after: int = 0, *, names: bool = True) -> None:
    """Of the transcript: those after this one of the session's; ``names``: that of its name too."""
    base = number << SHIFT
    last = base + (1 << SHIFT) if names else base + NAMES
    connection.execute("DELETE FROM docs WHERE rowid > ? AND rowid < ?", (base + after, last))
    if not after:
        connection.execute("DELETE FROM turns WHERE number = ?", (number,))
