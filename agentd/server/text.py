"""One change of a text document, as LSP means it. Pure.

pygls splits lines as ``str.splitlines`` does: at form feeds, U+2028 and others too. LSP knows only LF, CRLF and CR, so
that in such a file pygls would edit the wrong line, and the agent would read what is not on the screen.
"""

import re
from itertools import islice
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE_END = re.compile("\r\n|\r|\n")


def spliced(text: str, start: tuple[int, int], end: tuple[int, int], new: str, encoding: Encoding) -> str:
    """``text`` with the range (line, character) replaced. A position beyond an end is that end; an inverted range is
    turned around: what editors' own libraries do."""
    first, last = offset(text, *start, encoding), offset(text, *end, encoding)
    if first > last:
        first, last = last, first
    return text[:first] + new + text[last:]


def offset(text: str, line: int, character: int, encoding: Encoding) -> int:
    """The index in ``text`` of a position."""
    begin = _line_start(text, line)
    if begin is None:
        return len(text)
    stop = _line_stop(text, begin)
    if encoding == "utf-32":
        return min(begin + character, stop)
    near = text[begin : min(begin + character, stop)]
    if near.isascii():
        return begin + len(near)
    units = 0
    for index in range(begin, stop):
        if units >= character:
            return index
        point = ord(text[index])
        if encoding == "utf-16":
            units += 2 if point > 0xFFFF else 1
        else:
            units += 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
    return stop


def _line_start(text: str, line: int) -> int | None:
    if line == 0:
        return 0
    if "\r" not in text:
        parts = text.split("\n", line)
        return len(text) - len(parts[-1]) if len(parts) > line else None
    found = next(islice(_LINE_END.finditer(text), line - 1, None), None)
    return found.end() if found else None


def _line_stop(text: str, begin: int) -> int:
    newline = text.find("\n", begin)
    stop = len(text) if newline < 0 else newline
    carriage = text.find("\r", begin, stop)
    return stop if carriage < 0 else carriage
