"""Lines of a file from its end to its beginning, in blocks: the newest page costs a page, however long the file.

Lines end at ``\\n`` bytes and nowhere else. A line longer than the caller wants to hold is not held: ``squeezed``
reads it in blocks and cuts its long strings.
"""

import re
from collections.abc import Generator
from typing import NamedTuple

from agentd.store.files import Files

FIRST_BLOCK = 1 << 16
BLOCK = 1 << 18
_STRING = re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL)
_OUTSIDE = re.compile(rb'[^"]*+')
_WHOLE_ESCAPES = re.compile(rb'(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+', re.DOTALL)


class Line(NamedTuple):
    """A line at ``start``, without its end. ``data`` is None when it is longer than was asked for."""

    start: int
    end: int
    data: bytes | None


def lines_backward(files: Files, fd: int, end: int, longest: int) -> Generator[Line, None, None]:
    """The lines of a file before ``end`` (the place after a line's ``\\n``, or the end of the file), last one first."""
    if end <= 0:
        return
    line_end = end - 1 if files.read_at(fd, 1, end - 1) == b"\n" else end
    buffer, base, block = b"", line_end, FIRST_BLOCK
    while True:
        # ``buffer`` holds the file from ``base`` to at least ``line_end``, where the wanted line ends.
        newline = buffer.rfind(b"\n", 0, line_end - base)
        while newline < 0 and base > 0 and line_end - base <= longest:
            size = min(max(block, len(buffer)), base)
            older = files.read_at(fd, size, base - size)
            if len(older) < size:
                return
            buffer = older + buffer[: line_end - base]
            base, block = base - size, BLOCK
            newline = older.rfind(b"\n")
        if newline < 0 and base > 0:
            start = start_of_line(files, fd, base)
            yield Line(start, line_end, None)
            buffer, base, block = b"", start - 1, FIRST_BLOCK
        else:
            start = base + newline + 1
            yield Line(start, line_end, buffer[start - base : line_end - base] if line_end - start <= longest else None)
        if start == 0:
            return
        line_end = start - 1


def start_of_line(files: Files, fd: int, before: int) -> int:
    """Where the line begins that holds the byte before ``before``."""
    while before > 0:
        size = min(BLOCK, before)
        newline = files.read_at(fd, size, before - size).rfind(b"\n")
        if newline >= 0:
            return before - size + newline + 1
        before -= size
    return 0


def squeezed(files: Files, fd: int, line: Line, longest: int) -> bytes | None:
    """A long line with each string cut to about ``longest`` bytes and a note; None if it stays long all the same."""
    out = bytearray()
    kept = dropped = 0
    inside = False
    offset, carry = line.start, b""
    while offset < line.end:
        size = min(BLOCK, line.end - offset)
        data = carry + files.read_at(fd, size, offset)
        offset += size
        carry, at = b"", 0
        while at < len(data):
            if not inside:
                span = _OUTSIDE.match(data, at)
                stop = span.end() if span else at
                out += data[at : stop + 1]
                inside, kept, dropped, at = stop < len(data), 0, 0, stop + 1
                continue
            span = _STRING.match(data, at)
            stop = span.end() if span else at
            if kept < longest:
                piece = data[at : min(stop, at + longest - kept)]
                if len(piece) < stop - at:
                    whole = _WHOLE_ESCAPES.match(piece)
                    piece = piece[: whole.end()] if whole else b""
                    kept = longest
                out += piece
                kept += len(piece)
                dropped += stop - at - len(piece)
            else:
                dropped += stop - at
            if stop == len(data):
                break
            if data[stop : stop + 1] == b"\\":
                # An escape that the next block ends.
                carry = data[stop:]
                break
            if dropped:
                out += "\\n[… %d bytes are left out here …]".encode() % dropped
            out += b'"'
            inside, at = False, stop + 1
        if len(out) > 16 * longest:
            return None
    return bytes(out)
