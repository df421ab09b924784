"""What the index needs of the sessions' files: stamps, metadata, transcripts. Blocking: call from a worker.

A stamp says which state of a file was read: another stamp, another state.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from agentd.core.metadata import Metadata
from agentd.core.records import Record
from agentd.errors import AgentdError
from agentd.store import lines
from agentd.store.backward import start_of_line
from agentd.store.files import Files
from agentd.store.index.documents import BATCH_DOCUMENTS, BEGINNING, Batch, Scan, Start
from agentd.store.index.rows import SessionRow
from agentd.store.index.writing import Part, Progress
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.metadata_file import list_segments, read_metadata
from agentd.store.transcript import Segment

MISSING = "-"
SECONDS = 0.02
"""About as long as one piece of reading takes."""
PIECE_DOCUMENTS = 4 * BATCH_DOCUMENTS
SegmentsOf = Callable[[str], Sequence[Segment] | None]


@dataclass(slots=True)
class Piece:
    """What was read of a session: ``rest`` are further batches, to be read one at a time."""

    part: Part
    rest: Iterator[Batch] | None


def stamp(files: Files, path: Path) -> str:
    """The state of a file."""
    try:
        state = files.stat(path)
    except OSError:
        return MISSING
    return f"{state.st_ino}:{state.st_size}:{state.st_mtime_ns}"


def log_stamp(files: Files, segments: Iterable[Segment]) -> str:
    """The state of a transcript's files, and up to where each is read: not all that is there may be acknowledged."""
    return " ".join(f"{segment.number}={stamp(files, segment.path)}@{segment.end}" for segment in segments)


def read_row(files: Files, directory: Path) -> SessionRow | None:
    """A session's row from its metadata file; None when there is nothing to make it of."""
    before = stamp(files, directory / METADATA)
    try:
        return SessionRow.of(read_metadata(files, directory).metadata, before)
    except (AgentdError, OSError):
        return None


def row_of(files: Files, directory: Path, metadata: Metadata) -> SessionRow:
    """The row of metadata that was just written."""
    return SessionRow.of(metadata, stamp(files, directory / METADATA))


def newest_first(files: Files, sessions: Path, names: Sequence[str]) -> list[str]:
    """By when anything in its directory was replaced last, as its metadata is whenever it is used."""
    changed = {}
    for name in names:
        with suppress(OSError):
            changed[name] = files.stat(sessions / name).st_mtime_ns
    return sorted(names, key=lambda name: changed.get(name, 0), reverse=True)


def read_rows(files: Files, sessions: Path, names: Sequence[str]) -> tuple[list[SessionRow], int]:
    """Rows of the first of these sessions, as many as a piece of reading gives; how many were looked at."""
    rows, count, until = [], 0, time.monotonic() + SECONDS
    for name in names:
        count += 1
        row = read_row(files, sessions / name)
        if row is not None:
            rows.append(row)
        if time.monotonic() > until:
            break
    return rows, count


def changed(
    files: Files,
    sessions: Path,
    known: Sequence[tuple[str, str]],
    held: Callable[[str], bool],
    seconds: float = SECONDS,
) -> tuple[list[str], int]:
    """Which of the first of these sessions have another metadata file than the index knows; how many were looked at."""
    found, count, until = [], 0, time.monotonic() + seconds
    for name, before in known:
        count += 1
        if not held(name) and stamp(files, sessions / name / METADATA) != before:
            found.append(name)
        if time.monotonic() > until:
            break
    return found, count


def read_pieces(
    files: Files, sessions: Path, wanted: Sequence[tuple[str, Progress]], segments_of: SegmentsOf
) -> tuple[list[Piece], int]:
    """What is new in the transcripts of the first of these sessions, and how many were looked at."""
    pieces: list[Piece] = []
    count = documents = 0
    until = time.monotonic() + SECONDS
    for session_id, known in wanted:
        count += 1
        with suppress(OSError):
            piece = _piece(files, sessions / session_id, known, segments_of(session_id))
            if piece is not None:
                pieces.append(piece)
                documents += len(piece.part.batch.documents)
        if documents >= PIECE_DOCUMENTS or time.monotonic() > until:
            break
    return pieces, count


def _piece(files: Files, directory: Path, known: Progress, live: Sequence[Segment] | None) -> Piece | None:
    segments = _with_after(files, list_segments(files, directory)) if live is None else live
    now = log_stamp(files, segments)
    if now == known.stamp:
        return None
    anew = not _goes_on(files, segments, known.start, known.stamp, now)
    start = BEGINNING if anew else known.start
    batches = Scan(files, segments, start).batches()
    batch = next(batches)
    part = Part(known.number, known.documents, batch, now, begins=True, anew=anew, kept=known.kept)
    return Piece(part, None if batch.ends else batches)


def records_of(files: Files, directory: Path, live: Sequence[Segment] | None) -> Iterator[Sequence[Record]]:
    """A transcript's records that count, oldest first, some at a time. Raises OSError."""
    segments = _with_after(files, list_segments(files, directory)) if live is None else live
    records = (record for *_, record in Scan(files, segments, BEGINNING).records())
    while some := tuple(islice(records, BATCH_DOCUMENTS)):
        yield some


def next_part(piece: Piece, before: Part) -> Part | None:
    """What follows this part; None: nothing does, or the file is gone or cannot be read further."""
    if piece.rest is None or before.batch.ends:
        return None
    try:
        batch = next(piece.rest)
    except OSError:
        return None
    return Part(before.number, before.documents + len(before.batch.documents), batch, before.stamp)


def _with_after(files: Files, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Further segments with what each says of those before it."""
    made = []
    for segment in segments:
        if segment.number:
            fd = files.open_read(segment.path)
            try:
                first = lines.parse(files.read_at(fd, 4096, 0).partition(b"\n")[0])
            finally:
                files.close(fd)
            after = first.body.get("after") if first is not None and first.kind == "segment" else None
            segment = replace(segment, after=after if isinstance(after, int) else None)
        made.append(segment)
    return tuple(made)


def _goes_on(files: Files, segments: Sequence[Segment], start: Start, before: str, now: str) -> bool:
    """Whether the files still begin with what was indexed: the same files, and the record before the place is there."""
    if start == BEGINNING:
        return not before or before == MISSING
    inodes = [part.split(":")[0] for part in before.split()]
    if inodes != [part.split(":")[0] for part in now.split()][: len(inodes)]:
        return False
    if any(segment.after is not None and segment.after < start.seq for segment in segments):
        # Acknowledged records only are indexed while a session is open; after a crash it may have been more.
        return False
    for segment in segments:
        if segment.number == start.segment and start.offset <= segment.end:
            fd = files.open_read(segment.path)
            try:
                begin = start_of_line(files, fd, start.offset - 1)
                head = lines.head(files.read_at(fd, 256, begin))
                return files.read_at(fd, 1, start.offset - 1) == b"\n" and head is not None and head.seq == start.seq
            finally:
                files.close(fd)
    return False


def boot() -> str:
    """Names the life of this machine, where it can be known."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{os.uname().nodename}"


def all_known(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """The ids and metadata stamps of all sessions, in the order of their numbers."""
    return connection.execute("SELECT id, stamp FROM sessions ORDER BY number").fetchall()
