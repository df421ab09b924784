"""Copying a transcript's beginning into a new session: bytes, by the kernel where it can, void records left out.

Blocking: call from a worker.
"""

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from agentd.core.fold import is_open
from agentd.errors import InvalidParams
from agentd.store.blobs import BLOBS as BLOBS
from agentd.store.files import Files
from agentd.store.reader import Place, Problems, Reader
from agentd.store.seek import after_turn
from agentd.store.transcript import FIRST, Segment

SYSTEM_BYTES = 1 << 20


def copy_through(files: Files, segments: Sequence[Segment], through: int, target: Path) -> None:
    """A new transcript in ``target``: all through the end of turn ``through`` (0: the system records before turn 1).

    Forking at the newest turn takes along the marks that follow it: the fork is as the session is. Raises
    InvalidParams for a turn that is not on record or has not ended.
    """
    reader = Reader(files, segments, Problems(), 1 << 16)
    end = _end_of_system(reader, segments) if through == 0 else _end_of(reader, through)
    copy_fd = files.create_for_copy(target / FIRST)
    try:
        for segment in segments:
            if end is not None and segment.number <= end.segment:
                stop = end.offset if segment.number == end.segment else segment.end
                _copy(files, segment, min(stop, _valid_end(files, segments, segment)), copy_fd)
        files.sync(copy_fd)
    finally:
        files.close(copy_fd)


def _end_of_system(reader: Reader, segments: Sequence[Segment]) -> Place | None:
    end = None
    for found in reader.oldest_first(SYSTEM_BYTES):
        if found.record.kind != "system":
            break
        end = found.place
    return end


def _end_of(reader: Reader, through: int) -> Place:
    start = after_turn(reader, through)
    if start is not None:
        with suppress(InvalidParams):
            return _end_of_turn(reader, through, start)
    return _end_of_turn(reader, through, None)


def _end_of_turn(reader: Reader, through: int, start: Place | None) -> Place:
    """Where the records begin that the fork does not take. ``start``: a later turn begins there."""
    cut: Place | None = None
    newer = start is not None
    with closing(reader.lines(start)) as met:
        for line in met:
            head = line.head
            if line.void:
                continue
            if head is not None and head.turn > 0 and head.turn != through:
                newer = True
                continue
            for found in line.read():
                record = found.record
                if record.kind == "mark" and record.body.get("mark") == "rewind":
                    cut = Place(found.place.segment, found.start)
                if record.turn == through and record.kind == "turn":
                    if is_open(record.body):
                        raise InvalidParams(f"Turn {through} has not ended: fork after an earlier one.")
                    return found.place if newer else cut or _END
                newer = newer or (record.turn > 0 and record.turn != through)
    raise InvalidParams(f"This session has no turn {through}.")


_END = Place(1 << 62, 1 << 62)


def _valid_end(files: Files, segments: Sequence[Segment], segment: Segment) -> int:
    """Where a segment's void records begin: those that a later segment says were never acknowledged."""
    says = [later.after for later in segments if later.number > segment.number and later.after is not None]
    if not says:
        return segment.end
    after = min(says)
    end = segment.end
    with closing(Reader(files, [segment], Problems(), 1 << 16).lines()) as met:
        for line in met:
            if line.head is not None and line.head.seq <= after:
                break
            end = line.start
    return end


def _copy(files: Files, segment: Segment, end: int, copy_fd: int) -> None:
    source = files.open_read(segment.path)
    try:
        files.copy(source, 0, end, copy_fd)
        if end and files.read_at(source, 1, end - 1) != b"\n":
            # A segment that was torn when its whole part was read: the next one's first record begins a line.
            os.write(copy_fd, b"\n")
    finally:
        files.close(source)
