"""Other projects' sessions, read by a daemon that is not theirs: nothing is written, nothing is held open.

Blocking: call from a worker. Their index is used if it was left whole and nothing came, went or changed since; else
one is made in memory for this question. Raises OSError for a project that cannot be read.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from agentd.core.places import Place
from agentd.core.words import Term
from agentd.protocol import ListParams, ListStatus
from agentd.store.files import Files
from agentd.store.finding import Matches, Selection
from agentd.store.identity import PROJECT
from agentd.store.index import listing, reading, rows, searching, writing
from agentd.store.index.database import NAME, add_words, in_memory, read_only
from agentd.store.index.snippets import read_back
from agentd.store.index.writing import Part
from agentd.store.names import ID


def root_of(directory: Path) -> str | None:
    """The workspace root of a project's directory, as its ``project.json`` says."""
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(Files().small_file(directory / PROJECT, 1 << 16))
        if isinstance(said, dict) and isinstance(root := said.get("root"), str):
            return root
    return None


def page(directory: Path, asked: ListParams) -> Selection:
    """See ``SessionIndex.page``."""
    with _index(directory, texts=False) as index:
        return listing.page(index, asked, ())


def search(directory: Path, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None) -> Matches:
    """See ``SessionIndex.search``."""
    with _index(directory, texts=True) as index:
        found = searching.search(index, terms, status, limit, after)
    hits, _ = read_back(Files(), directory / "sessions", found.matches, terms)
    return Matches(tuple(hits), found.more)


@contextmanager
def _index(directory: Path, *, texts: bool) -> Iterator[sqlite3.Connection]:
    files, sessions = Files(), directory / "sessions"
    names = [name for name in files.directories(sessions) if ID.fullmatch(name)]
    connection = read_only(directory / NAME)
    if connection is not None and not _in_step(connection, files, sessions, names):
        connection.close()
        connection = None
    with closing(connection or _made(files, sessions, names, texts=texts)) as index:
        yield index


def _in_step(connection: sqlite3.Connection, files: Files, sessions: Path, names: Sequence[str]) -> bool:
    try:
        known = dict(reading.all_known(connection))
    except sqlite3.Error:
        return False
    if known.keys() != set(names):
        return False
    changed, _ = reading.changed(files, sessions, list(known.items()), _nobody, seconds=float("inf"))
    return not changed


def _made(files: Files, sessions: Path, names: Sequence[str], *, texts: bool) -> sqlite3.Connection:
    connection = in_memory()
    connection.execute("BEGIN")
    rows.put_all(connection, [row for name in names if (row := reading.read_row(files, sessions / name)) is not None])
    if texts:
        for name in names:
            known = writing.progress(connection, name)
            wanted = [(name, known)] if known is not None else []
            for piece in reading.read_pieces(files, sessions, wanted, lambda _: None)[0]:
                part: Part | None = piece.part
                while part is not None:
                    add_words(connection, writing.words_of(part))
                    writing.write(connection, [part])
                    part = reading.next_part(piece, part)
    connection.execute("COMMIT")
    return connection


def _nobody(session_id: str) -> bool:
    """No session of a project without a daemon is held by one."""
    return False
