"""What an export of a session holds: its files as parts, each a value that can be read more than once.

A snapshot is taken on the event loop, between two writes (``session.order``): what is appended meanwhile is not in it.
Reading parts is blocking: in a worker.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.errors import LoadFailed, StoreFailed
from agentd.store import lines
from agentd.store.api import QueuedPrompt, SessionLog
from agentd.store.files import Files
from agentd.store.fork import BLOBS
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.queue import NAME as QUEUE
from agentd.store.queue import whole_queue
from agentd.store.session_log import FileSessionLog
from agentd.store.transcript import Segment, segment_number

BLOCK = 57 * 8192
"""Bytes that are held at once; a multiple of what is one line in base64."""
DOCUMENTS = "documents"
SIDE_FILE = re.compile(r"transcript\.torn-\d{1,9}-\d{1,18}|metadata\.json\.damaged")
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """``data``, or the first ``size`` bytes of ``path``; then ``tail``."""

    name: str
    data: bytes = b""
    path: Path | None = None
    size: int = 0
    tail: bytes = b""

    def chunks(self, files: Files) -> Iterator[bytes]:
        """Its bytes, in blocks of ``BLOCK`` (the last one is shorter). Raises OSError, LoadFailed."""
        rest = bytearray(self.data)
        if self.path is not None:
            fd = files.open_read(self.path)
            try:
                offset = 0
                while offset < self.size:
                    block = files.read_at(fd, min(BLOCK, self.size - offset), offset)
                    offset += len(block)
                    if not block:
                        raise LoadFailed(f"{self.path.name} became shorter while it was read. Try again.")
                    if len(block) == BLOCK:
                        yield block
                    else:
                        rest += block
            finally:
                files.close(fd)
        rest += self.tail
        for start in range(0, len(rest), BLOCK):
            yield bytes(rest[start : start + BLOCK])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one moment. ``directory``: where its side files and blobs are. ``documents``: where each one is."""

    metadata: Metadata
    directory: Path
    segments: tuple[Segment, ...]
    queued: tuple[QueuedPrompt, ...] = ()
    last_turn: int = 0
    tail: bytes = b""
    whole_files: bool = False
    documents: tuple[Path, ...] = ()


def snapshot(
    log: SessionLog,
    metadata: Metadata,
    *,
    queued: Sequence[QueuedPrompt] = (),
    owed: Sequence[Draft] = (),
    documents: Sequence[Path] = (),
) -> Snapshot:
    """What is durable now. On the event loop, while nothing of this session is being written (``session.order``).

    ``owed`` are records that are not on disk: they are in the export, after all others.
    """
    if not isinstance(log, FileSessionLog):
        raise StoreFailed("the session is of another store", refused=True)
    owed = (*log.owed, *owed)
    time = lines.now()
    first = log.last_seq + 1
    tail = [lines.record_line(seq, lines.fragment(draft, time)) for seq, draft in enumerate(owed, first)]
    return Snapshot(
        metadata=metadata,
        directory=log.directory,
        segments=log.segments,
        queued=tuple(queued),
        last_turn=log.last_turn,
        tail=b"".join(tail),
        whole_files=log.read_only,
        documents=tuple(documents),
    )


def parts_of(files: Files, taken: Snapshot) -> list[Part]:
    """The parts in the order in which they are written, the same for the same session. In a worker. Raises OSError."""
    parts = [Part(METADATA, taken.metadata.dump_json())]
    parts += _transcript(files, taken)
    if taken.queued:
        parts.append(Part(QUEUE, whole_queue(taken.queued, taken.last_turn)))
    names = sorted(files.names(taken.directory))
    parts += [_file(files, name, taken.directory / name) for name in names if SIDE_FILE.fullmatch(name)]
    if files.is_directory(taken.directory / BLOBS):
        blobs = sorted(name for name in files.names(taken.directory / BLOBS) if _BLOB.fullmatch(name))
        parts += [_file(files, f"{BLOBS}/{name}", taken.directory / BLOBS / name) for name in blobs]
    parts += [_file(files, f"{DOCUMENTS}/{path.name}", path) for path in sorted(taken.documents)]
    return parts


def _transcript(files: Files, taken: Snapshot) -> list[Part]:
    """Each segment as it stands. The last one may be growing: of that, what was acknowledged."""
    parts = []
    for segment in taken.segments:
        last = segment is taken.segments[-1]
        try:
            size = _size(files, segment.path)
        except FileNotFoundError:
            continue
        if last and not taken.whole_files:
            size = min(segment.end, size)
        # Nothing is appended to the others any more, and what is void or torn in them is part of what was kept.
        tail = taken.tail if last else b""
        if tail and not _ends_a_line(files, segment.path, size):
            tail = b"\n" + tail
        parts.append(Part(segment.path.name, path=segment.path, size=size, tail=tail))
    return parts


def _ends_a_line(files: Files, path: Path, size: int) -> bool:
    fd = files.open_read(path)
    try:
        return size == 0 or files.read_at(fd, 1, size - 1) == b"\n"
    finally:
        files.close(fd)


def _file(files: Files, name: str, path: Path) -> Part:
    return Part(name, path=path, size=_size(files, path))


def _size(files: Files, path: Path) -> int:
    return files.stat(path).st_size


def is_part_of_session(name: str) -> bool:
    """Whether a part is a file of a session's directory. Nothing else is ever written there."""
    blob = name.removeprefix(f"{BLOBS}/")
    return (
        name in (METADATA, QUEUE)
        or segment_number(name) is not None
        or SIDE_FILE.fullmatch(name) is not None
        or (blob != name and _BLOB.fullmatch(blob) is not None)
    )
