"""The index's file: made, opened, judged and thrown away. Its tables. Blocking: call from the index's thread.

Whatever is wrong with the file, it is removed and made anew: it says nothing that the sessions' files do not say.
"""

import hashlib
import sqlite3
import zlib
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from agentd.core.metadata import Metadata
from agentd.protocol import Session
from agentd.store.files import Files

NAME = "index.sqlite3"
VERSION = 3
SHIFT = 24
"""A document's rowid is its session's number, shifted by so many bits, and its own: a range of rowids is a session."""
NAMES = 1 << 23
"""Documents from here on are names, descriptions and tags; those before are of the transcript, in its order."""
BUSY_MS = 250
"""How long another's lock is waited for, before the file is left to whoever holds it and made anew."""

AT_ONCE = 256
"""Documents whose words one statement adds."""
MERGES = 4
SEGMENTS = 1999
"""Segments of words: so many are merged with each other; as many as there can be."""

_SHAPE = hashlib.sha256(repr((VERSION, sorted(Session.model_fields), sorted(Metadata.model_fields))).encode())
SHAPE = _SHAPE.hexdigest()[:16]
"""What an index of ours says it is: one that was made by another version of these shapes is made anew."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    child INTEGER NOT NULL,
    parent_id TEXT,
    tail TEXT,
    status TEXT NOT NULL,
    background INTEGER NOT NULL,
    last_active TEXT NOT NULL,
    created TEXT NOT NULL,
    unnamed INTEGER NOT NULL,
    folded TEXT NOT NULL,
    name TEXT,
    inherited INTEGER NOT NULL,
    title TEXT NOT NULL,
    haystack TEXT NOT NULL,
    stamp TEXT NOT NULL,
    log_stamp TEXT NOT NULL DEFAULT '',
    segment INTEGER NOT NULL DEFAULT 0,
    offset INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0,
    documents INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0,
    names INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX by_activity ON sessions (child, last_active DESC, id, status, background);
CREATE INDEX by_creation ON sessions (child, created DESC, id, status, background);
CREATE INDEX by_name ON sessions (child, unnamed, folded, id, status, background);
CREATE INDEX recent ON sessions (last_active DESC, id, status, background);
CREATE INDEX parents ON sessions (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tails ON sessions (tail) WHERE tail IS NOT NULL;
CREATE INDEX names ON sessions (name) WHERE name IS NOT NULL;
CREATE TABLE views (number INTEGER PRIMARY KEY, json BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE tags (tag TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (tag, number)) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (number);
CREATE TABLE docs (
    rowid INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    kind TEXT NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL
);
CREATE TABLE turns (
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    users INTEGER NOT NULL,
    assistants INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    results INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cost REAL,
    PRIMARY KEY (number, turn)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', prefix = '1 2 3', tokenize = 'unicode61 remove_diacritics 2'
);
"""


def open_index(files: Files, directory: Path, boot: str) -> sqlite3.Connection:
    """The project's index, sound as far as that can be told quickly; else a new, empty one; in memory if need be.

    ``boot`` names the life of this machine: an index whose building a power cut ended is not trusted.
    """
    path = directory / NAME
    for _ in range(2):
        with suppress(sqlite3.Error, OSError, ValueError):
            connection = _opened(files, path)
            with suppress(sqlite3.Error, ValueError):
                if _usable(connection, boot):
                    return connection
            connection.close()
        if not discard(files, path):
            break
    return in_memory()


def in_memory() -> sqlite3.Connection:
    """An index without a file."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _make(connection)
    return connection


def _opened(files: Files, path: Path) -> sqlite3.Connection:
    """An index that is ours alone as long as it is open: no stranger's lock is met later."""
    if files.exists(path):
        # No link is followed, no pipe waited for.
        files.close(files.open_read(path))
    else:
        files.close(files.create(path))
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            _make(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    set_meta(connection, shape=SHAPE, building="1", clean="0")


def _usable(connection: sqlite3.Connection, boot: str) -> bool:
    meta = read_meta(connection)
    if meta.get("shape") != SHAPE:
        return False
    if meta.get("building") == "1" and meta.get("boot", boot) != boot:
        return False
    # Whether what it is made of can be read at all; damage in the middle is met when it is read.
    for table in ("sessions", "views", "docs", "turns", "tags"):
        connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()  # noqa: S608
    connection.execute("SELECT rowid FROM words WHERE words MATCH 'a' LIMIT 1").fetchall()
    return True


def discard(files: Files, path: Path) -> bool:
    """Remove the index with all that belongs to it; whether it is gone."""
    try:
        for suffix in ("-wal", "-shm", "-journal", ""):
            place = path.with_name(path.name + suffix)
            if files.exists(place):
                if files.is_directory(place):
                    files.remove_tree(place)
                else:
                    files.unlink(place)
    except OSError:
        return False
    return True


def read_only(path: Path) -> sqlite3.Connection | None:
    """Another project's index that nobody writes: None unless it was left whole, by a version as this one.

    Nothing is made beside it and no lock is taken or heeded. Whoever reads looks before and after whether it is the
    same still.
    """
    with suppress(sqlite3.Error, OSError):
        files, log = Files(), path.with_name(path.name + "-wal")
        # No link is followed, no pipe waited for.
        files.close(files.open_read(path))
        if files.exists(log) and files.stat(log).st_size:
            return None
        address = f"file:{quote(str(path))}?immutable=1"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        with suppress(sqlite3.Error):
            meta = read_meta(connection)
            if (meta.get("shape"), meta.get("clean"), meta.get("building")) == (SHAPE, "1", "0"):
                return connection
        connection.close()
    return None


def take_over(path: Path, boot: str) -> sqlite3.Connection | None:
    """A private copy of another project's index, which was left in any state, for writing. None if it is of no use.

    Its files may be removed as soon as it is open. Loses everything should it end within a transaction.
    """
    with suppress(sqlite3.Error, ValueError):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        with suppress(sqlite3.Error, ValueError):
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            # What its log says comes into the file.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            _unfiled(connection)
            if _usable(connection, boot):
                return connection
        connection.close()
    return None


def temporary() -> sqlite3.Connection:
    """An index for a while: SQLite holds some of it in memory, and the rest in a file without a name."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    _unfiled(connection)
    _make(connection)
    return connection


def _unfiled(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = OFF").fetchall()
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -4000")


Words = list[tuple[int, str]]
"""Documents for the words' table. Written after all else of a transaction: SQLite has FTS5 write a segment of its own
before each statement on a common table."""


def add_words(connection: sqlite3.Connection, words: Words) -> None:
    """Write them, in the order of their rowids: any other order makes small segments too.

    In statements of many: between two of them the thread waits for its turn to run Python.
    """
    words = sorted(words)
    for start in range(0, len(words), AT_ONCE):
        some = words[start : start + AT_ONCE]
        statement = f"INSERT INTO words (rowid, text) VALUES {', '.join(['(?, ?)'] * len(some))}"  # noqa: S608
        connection.execute(statement, [*chain.from_iterable(some)])


def sound(json: bytes, crc: int) -> bytes:
    """A view as it was written: it goes to clients as it stands. Raises DatabaseError for a damaged one."""
    if zlib.crc32(json) != crc:
        raise sqlite3.DatabaseError("a view is damaged")
    return json


def merge_by_itself(connection: sqlite3.Connection, merges: bool) -> None:
    """Whether FTS5 merges what it wrote while it writes. Never all at once: that would take a second at times."""
    connection.execute("INSERT INTO words (words, rank) VALUES ('automerge', ?)", (MERGES if merges else 0,))
    connection.execute("INSERT INTO words (words, rank) VALUES ('crisismerge', ?)", (SEGMENTS,))


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    """What the index says of itself."""
    with closing(connection.execute("SELECT key, value FROM meta")) as rows:
        return dict(rows.fetchall())


def set_meta(connection: sqlite3.Connection, **values: str) -> None:
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))
