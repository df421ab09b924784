"""``agentd search``, ``agentd session search``: where something was said, with the match marked."""

from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import WrongUse
from agentd.cli.output import one_line
from agentd.cli.rows import Row, row_of, when
from agentd.cli.session_list import STATUSES
from agentd.cli.table import cells, fitted, project

LIMIT = 20
MOST = 200
KINDS = {"prompt": "you", "text": "reply", "thinking": "thought", "tool": "tool", "notice": "notice"}
Marks = list[tuple[int, int]]


def search(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORDS", help="All must occur; '\"two words\"' side by side.", show_default=False),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST, metavar="N", help="At most so many places.")
    ] = LIMIT,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help=f"{', '.join(STATUSES)}.")] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In all projects.")] = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Search what was said, in all sessions, and their names.

    The sessions used last come first.
    Each word is found at the beginning of a word or of a part of an identifier: 'config' finds parseConfig.
    """
    query = " ".join(words)
    if not query.strip():
        raise WrongUse("Nothing to search for", "agentd search WORDS")
    if status is not None and status not in STATUSES:
        raise WrongUse(f"No such status: '{status}'", f"Known: {', '.join(STATUSES)}.")
    scope = "everywhere" if everywhere else None
    answer = ask(options.address(root), "agentd/session/search",
                 present(query=query, limit=limit, status=status, scope=scope))  # fmt: skip
    if as_json:
        output.data(answer)
        return
    for text in found(answer.get("hits", []), output.width()):
        output.line(text)
    for text in remarks(answer, query):
        output.note(text)
    if answer.get("nextCursor"):
        output.note("There are more: --limit N shows them, more words narrow it down.")
    told = [hit for hit in answer.get("hits", []) if hit.get("turn")][:1]
    for hit in told:
        row = row_of(given(hit.get("session")))
        there = f" --root '{one_line(row.root)}'" if row.root else ""
        output.note(f"Open it: agentd session show {row.short} --turn {hit['turn']}{there}")


def remarks(answer: dict[str, Any], query: str) -> list[str]:
    """What is to be said beside the places: that there are none, and what may be missing."""
    told = [] if answer.get("hits") else [f"Nothing is found for '{query}'."]
    if answer.get("indexing"):
        told.append("The index is being built: older sessions may be missing yet.")
    return [*told, *map(str, answer.get("problems", []))]


def found(hits: list[dict[str, Any]], width: int | None) -> list[str]:
    """The places, under the session that they are in; the matches are bold."""
    lines: list[str] = []
    before = None
    for hit in hits:
        row = row_of(given(hit.get("session")))
        if row.id != before:
            lines += ([""] if lines else []) + [_heading(row, width)]
            before = row.id
        lines.append(_place(hit, width))
    return lines


def _heading(row: Row, width: int | None) -> str:
    tail = "  ".join(filter(None, (when(row), project(row))))
    if width is not None:
        tail = fitted(tail, max(0, width - 10))
    room = None if width is None else width - 12 - cells(tail)
    name = one_line(row.name or "")
    name = name if room is None else fitted(name, max(0, room))
    shown = f"  {output.styled(name, 'bold')}" if name else ""
    return f"{output.styled(row.short, 'cyan')}{shown}  {output.styled(tail, 'dim')}"


def _place(hit: dict[str, Any], width: int | None) -> str:
    turn = int(hit.get("turn", 0))
    who = KINDS.get(str(hit.get("kind")), str(hit.get("kind")))
    lead = f"  turn {turn} {who}: " if turn else "  name: "
    marks = [(int(begin), int(end)) for begin, end in hit.get("marks", [])]
    room = None if width is None else width - cells(lead)
    return output.styled(lead, "dim") + marked(str(hit.get("snippet", "")), marks, room)


def marked(text: str, marks: Marks, room: int | None) -> str:
    """On one line, with the matches bold; cut so that the first of them is seen."""
    shown, bold = _flat(text, marks)
    cut = False
    if room is not None and cells(shown) > room:
        first = next((at for at, on in enumerate(bold) if on), 0)
        begin = max(0, first - room // 3) if cells(shown[: first + 1]) > room * 2 // 3 else 0
        shown, bold, cut = shown[begin:], bold[begin:], begin > 0
        shown = fitted(("…" if cut else "") + shown, room)
        bold = ([False] if cut else []) + bold
    pieces, at = [], 0
    while at < len(shown):
        end = at
        on = at < len(bold) and bold[at]
        while end < len(shown) and (end < len(bold) and bold[end]) == on:
            end += 1
        pieces.append(output.styled(shown[at:end], "bold", "yellow") if on else shown[at:end])
        at = end
    return "".join(pieces)


def _flat(text: str, marks: Marks) -> tuple[str, list[bool]]:
    """White space as single spaces, without control characters, and which characters are part of a match."""
    letters: list[str] = []
    bold: list[bool] = []
    for at, letter in enumerate(text):
        flat = " " if letter.isspace() else output.clean(letter)
        if not flat or (flat == " " and (not letters or letters[-1] == " ")):
            continue
        letters.append(flat)
        bold.append(any(begin <= at < end for begin, end in marks))
    return "".join(letters), bold
