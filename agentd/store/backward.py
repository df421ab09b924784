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
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = rb'\\["\\/bfnrt]|' + _PAIR + rb"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
_WHOLE = re.compile(rb'[^"\\]*+(?:(?:' + _ESCAPE + rb')[^"\\]*+)*+', re.DOTALL)


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
    begun = dropped = 0
    inside = False
    offset, carry = line.start, b""
    while offset < line.end:
        size = min(BLOCK, line.end - offset)
        data = carry + files.read_at(fd, size, offset)
        offset += size
        carry, at = b"", 0
        while at < len(data):
            if not inside:
                quote = data.find(b'"', at)
                stop = quote if quote >= 0 else len(data)
                out += data[at : stop + 1]
                inside, begun, dropped, at = quote >= 0, len(out), 0, stop + 1
                continue
            run = _STRING.match(data, at)
            stop = run.end() if run else at
            keep = min(stop - at, max(longest - (len(out) - begun), 0))
            out += data[at : at + keep]
            dropped += stop - at - keep
            if stop == len(data):
                break
            if data[stop : stop + 1] == b"\\":
                # An escape that the next block ends.
                carry = data[stop:]
                break
            if dropped:
                _end_cleanly(out, begun)
                out += "\\n[… %d bytes are left out here …]".encode() % dropped
            out += b'"'
            inside, at = False, stop + 1
        if len(out) > 8 * longest:
            return None
    return bytes(out)


def _end_cleanly(out: bytearray, begun: int) -> None:
    """No half of an escape, of a pair of escapes or of a character at the end of a string that was cut."""
    kept = bytes(out[begun:])
    whole = _WHOLE.match(kept)
    out[begun:] = kept[: whole.end()].decode("utf-8", "ignore").encode() if whole else b""
