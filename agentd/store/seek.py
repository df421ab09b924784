"""Where in a long transcript a turn ends, about: found by halving, because turns are on record in their order.

A place to begin reading from, newest first, and never more than that: whoever reads must find there what he looks
for, or begin at the end after all (files are edited by hand, and then in no order).
"""

from agentd.store import lines
from agentd.store.files import Files
from agentd.store.reader import Place, Reader

CLOSE = 1 << 16
"""Bytes: nearer than this it costs less to read backward than to halve."""
_CHUNK = 1 << 14
_LONGEST = 1 << 20
_BLOCK = 1 << 20
_MARK = b'"mark"'


def after_turn(reader: Reader, turn: int) -> Place | None:
    """Where a later turn begins, within ``CLOSE`` of the end of turn ``turn``; None: begin at the end."""
    files, segments = reader.files, reader.segments
    if len(segments) != 1 or segments[0].end < 4 * CLOSE:
        # Of further segments there are few, and each says what of the ones before is void.
        return None
    fd = files.open_read(segments[0].path)
    try:
        bound = _halve(files, fd, segments[0].end, turn)
    finally:
        files.close(fd)
    return Place(segments[0].number, bound) if bound is not None else None


def _halve(files: Files, fd: int, end: int, turn: int) -> int | None:
    """The start of a line of a later turn; what is before it is of this turn or earlier, but for the last bytes."""
    low, high, bound = 0, end, None
    while high - low > CLOSE:
        middle = (low + high) // 2
        met = _line_from(files, fd, middle, high)
        if met is None:
            return None
        start, of = met
        if start >= high:
            high = middle
        elif of > turn:
            high = bound = start
        else:
            low = start
    return bound


def _line_from(files: Files, fd: int, offset: int, end: int) -> tuple[int, int] | None:
    """The first line of a turn that begins after ``offset``, and its turn; (end, 0): there is none before ``end``."""
    data, base = b"", offset
    while len(data) < _LONGEST:
        more = files.read_at(fd, _CHUNK, base + len(data))
        if not more:
            return None
        data += more
        at = data.find(b"\n") + 1
        while at:
            if base + at >= end:
                return end, 0
            head = lines.head(data[at : at + 256])
            if head is not None and head.turn > 0:
                return base + at, head.turn
            if at + 256 > len(data):
                break
            at = data.find(b"\n", at) + 1
        if base + len(data) >= end:
            return end, 0
    return None


def marked_since(reader: Reader, start: Place) -> bool:
    """Whether there may be a mark after this place, in the newest segment. Reads all of it, but parses nothing."""
    files, segment, offset = reader.files, reader.segments[-1], start.offset
    fd = files.open_read(segment.path)
    try:
        carry = b""
        while offset < segment.end:
            data = files.read_at(fd, min(_BLOCK, segment.end - offset), offset)
            if not data or _MARK in carry + data[: len(_MARK)] or _MARK in data:
                return True
            offset += len(data)
            carry = data[-len(_MARK) :]
        return False
    finally:
        files.close(fd)
