"""Finds ``@path`` and ``@path:10-40`` in a prompt, and cuts lines and ranges out of texts. Pure."""

import re
from dataclasses import dataclass

from agentd.protocol import Range

# A path begins with what people start paths with; an address (a@b.c) or a decorator in the middle of a word is none.
MENTION = re.compile(
    r"""(?<![\w@./`])@(?:"(?P<quoted>[^"\n]+)"|(?P<bare>[\w./~+-][^\s@"'`,;:()<>“”„«»’、。，]*))"""
    r"""(?P<lines>:[0-9]+(?:-[0-9]+)?)?(?P<call>\()?"""
)
CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z)|(?<!`)(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
TRAILING = ".!?…*]}"
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""As LSP counts lines: ``str.splitlines`` splits at form feeds and the like, too."""
HIGHEST = 10**9


@dataclass(frozen=True, slots=True)
class Mention:
    """``first`` and ``last`` count from 1 and are inclusive, as people count lines. ``sure``: it was quoted, has a
    line range or looks like a path, so that it is worth a word when there is no such file."""

    path: str
    first: int | None = None
    last: int | None = None
    sure: bool = False


def mentions(prompt: str) -> tuple[Mention, ...]:
    """The files that a prompt names, each once, in order. Code in backticks or fences names none."""
    found: dict[Mention, None] = {}
    for match in MENTION.finditer(CODE.sub(_blank, prompt)):
        path = match["quoted"] or _without_trailing(match["bare"])
        if not path:
            continue
        first = last = None
        if lines := match["lines"]:
            # Nobody's line numbers have more digits, and int() refuses very many.
            numbers = [max(1, min(HIGHEST, int(digits[:12]))) for digits in lines[1:].split("-")]
            first, last = min(numbers), max(numbers)
        looks_like_a_path = "/" in path or "." in path.strip(".")
        sure = bool(match["quoted"] or lines or (looks_like_a_path and not match["call"]))
        found[Mention(path, first, last, sure)] = None
    return tuple(found)


def cut_lines(text: str, first: int, last: int) -> str:
    """Lines ``first`` to ``last`` of a text, counted from 1, both included; what is beyond the end is left out."""
    first, last = sorted((max(1, first), max(1, last)))
    return "".join(LINE.findall(text)[first - 1 : last]).rstrip("\r\n")


def cut_range(text: str, place: Range) -> str:
    """The text within an LSP range whose characters count UTF-16 units. Beyond the end means the end."""
    lines = LINE.findall(text)
    start, end = place.start, place.end
    if start.line >= len(lines) or (end.line, end.character) <= (start.line, start.character):
        return ""
    chosen = lines[start.line : end.line + 1]
    if end.line < len(lines):
        chosen[-1] = chosen[-1][: _index(chosen[-1], end.character)]
    chosen[0] = chosen[0][_index(chosen[0], start.character) :]
    return "".join(chosen)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _without_trailing(path: str) -> str:
    """Without what ends a sentence or an emphasis; a bracket stays where it was opened (``[id].tsx``, ``app/[id]``)."""
    while path and path[-1] in TRAILING:
        opened = {"]": "[", "}": "{"}.get(path[-1])
        if opened and path.count(opened) >= path.count(path[-1]):
            break
        path = path[:-1]
    return path


def _index(line: str, units: int) -> int:
    """The index in code points of a position in UTF-16 units, at most the end of what the line says."""
    seen = 0
    for index, char in enumerate(line):
        if seen >= units or char in "\r\n":
            return index
        seen += 2 if ord(char) > 0xFFFF else 1
    return len(line)
