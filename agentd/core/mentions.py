"""Finds ``@path`` and ``@path:10-40`` in a prompt, and cuts lines and ranges out of texts. Pure."""

import re
from dataclasses import dataclass

from agentd.protocol import Range

# A path begins with what people start paths with; an address (a@b.c) or a decorator in the middle of a word is none.
MENTION = re.compile(
    r"""(?<![\w@./`])@(?:"(?P<quoted>[^"\n]+)"|(?P<bare>[\w./~+-][^\s@"'`,;:()<>“”„«»’、。，]*))"""
    r"""(?P<lines>:[0-9]+(?:-[0-9]+)?)?(?P<call>\()?"""
)
FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})")
TICKS = re.compile(r"`+")
SEARCHED = 256 * 1024
"""Characters of a prompt that are searched for mentions: what is longer is pasted, not typed."""
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
    for match in MENTION.finditer(_without_code(prompt[:SEARCHED])):
        if match.end() == SEARCHED < len(prompt):
            break  # cut in two: it would name another file
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


def _without_code(prompt: str) -> str:
    """Blanks for what stands in fences and between backticks. One pass: a prompt may be one long row of backticks."""
    kept: list[str] = []
    fence: str | None = None
    for line in prompt.split("\n"):
        begun = FENCE.match(line)
        if fence is None and begun is None:
            kept.append(_without_spans(line, 0))
        elif fence is None and begun is not None:
            fence = begun["fence"]
            kept.append("")
        elif fence is not None and begun is not None and begun["fence"].startswith(fence):
            kept.append(_without_spans(line, begun.start("fence") + len(fence)))
            fence = None
        else:
            kept.append("")
    return "\n".join(kept)


def _without_spans(line: str, start: int) -> str:
    """A line with blanks before ``start`` and for its spans: between runs of equally many backticks."""
    runs = [run.span() for run in TICKS.finditer(line, start)]
    if start and runs and runs[0][0] == start:
        del runs[0]  # the rest of a closing fence
    following: list[int | None] = []
    seen: dict[int, int] = {}
    for number in range(len(runs) - 1, -1, -1):
        length = runs[number][1] - runs[number][0]
        following.append(seen.get(length))
        seen[length] = number
    following.reverse()
    kept, done, number = [" " * start], start, 0
    while number < len(runs):
        closing = following[number]
        if closing is not None:
            kept += [line[done : runs[number][0]], " " * (runs[closing][1] - runs[number][0])]
            done, number = runs[closing][1], closing
        number += 1
    return "".join([*kept, line[done:]])


def _without_trailing(path: str) -> str:
    """Without what ends a sentence or an emphasis; a bracket stays where it was opened (``[id].tsx``, ``app/[id]``)."""
    end = len(path)
    surplus = {"]": path.count("]") - path.count("["), "}": path.count("}") - path.count("{")}
    while end and path[end - 1] in TRAILING:
        last = path[end - 1]
        if last in surplus:
            if surplus[last] <= 0:
                break
            surplus[last] -= 1
        end -= 1
    return path[:end]


def _index(line: str, units: int) -> int:
    """The index in code points of a position in UTF-16 units, at most the end of what the line says."""
    seen = 0
    for index, char in enumerate(line):
        if seen >= units or char in "\r\n":
            return index
        seen += 2 if ord(char) > 0xFFFF else 1
    return len(line)
