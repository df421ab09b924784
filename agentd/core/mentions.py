"""Finds ``@path`` and ``@path:10-40`` in a prompt, and cuts lines and ranges out of texts. Pure."""

import re
from dataclasses import dataclass

from agentd.protocol import Range

# A path begins with what people start paths with; an address (a@b.c) or a decorator in the middle of a word is none.
MENTION = re.compile(
    r"""(?<![\w@./`])@(?:"(?P<quoted>[^"\n]+)"|(?P<bare>[\w./~+-][^\s@"'`,;:()<>]*))(?P<lines>:\d+(?:-\d+)?)?"""
)
TRAILING = ".!?"


@dataclass(frozen=True, slots=True)
class Mention:
    """``first`` and ``last`` count from 1 and are inclusive, as people count lines. ``sure``: it was quoted, has a
    line range or looks like a path, so that it is worth a word when there is no such file."""

    path: str
    first: int | None = None
    last: int | None = None
    sure: bool = False


def mentions(prompt: str) -> tuple[Mention, ...]:
    """The files that a prompt names, each once, in order."""
    found: dict[Mention, None] = {}
    for match in MENTION.finditer(prompt):
        path = match["quoted"] or match["bare"].rstrip(TRAILING)
        if not path:
            continue
        first = last = None
        if lines := match["lines"]:
            numbers = [int(number) for number in lines[1:].split("-")]
            first, last = numbers[0], numbers[-1]
        sure = bool(match["quoted"] or lines or "/" in path or "." in path.strip("."))
        found[Mention(path, first, last, sure)] = None
    return tuple(found)


def cut_lines(text: str, first: int, last: int) -> str:
    """Lines ``first`` to ``last`` of a text, counted from 1, both included; what is beyond the end is left out."""
    return "".join(text.splitlines(keepends=True)[max(0, first - 1) : max(first, last)]).rstrip("\n")


def cut_range(text: str, place: Range) -> str:
    """The text within an LSP range whose characters count UTF-16 units. Beyond the end means the end."""
    lines = text.splitlines(keepends=True)
    start, end = place.start, place.end
    if start.line >= len(lines) or (end.line, end.character) <= (start.line, start.character):
        return ""
    chosen = lines[start.line : end.line + 1]
    if end.line < len(lines):
        chosen[-1] = chosen[-1][: _index(chosen[-1], end.character)]
    chosen[0] = chosen[0][_index(chosen[0], start.character) :]
    return "".join(chosen)


def _index(line: str, units: int) -> int:
    """The index in code points of a position in UTF-16 units."""
    seen = 0
    for index, char in enumerate(line):
        if seen >= units:
            return index
        seen += 2 if ord(char) > 0xFFFF else 1
    return len(line)
