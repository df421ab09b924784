"""The list of sessions, as wide as the terminal: a table, or a few lines for each session where that is narrow."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentd.cli.output import one_line, styled
from agentd.cli.rows import Row, counted, local, state_style, when

NARROW = 70
LEAST_TEXT = 16
LEAST_NAME, MOST_NAME = 10, 28
NAME, ACTIVE, LAST = "Name", "Active", "Last Prompt"
FORK = " (fork)"


@dataclass(frozen=True, slots=True)
class Column:
    """``rank``: columns of the highest rank go first where there is no room."""

    title: str
    text: Callable[[Row], str]
    style: Callable[[Row], tuple[str, ...]] = lambda _: ()
    right: bool = False
    rank: int = 0
    most: int = 1000


def named(row: Row) -> str:
    """The name; of a session without one how it began, where that is not what its last prompt says anyway."""
    name = one_line(row.name or "")
    first = one_line(row.first_message or "")
    if not name and first != row.said:
        name = quoted(first)
    return f"{name}{FORK}".strip() if row.forked_from else name


def project(row: Row) -> str:
    """The root's path, from home where it is there."""
    root, home = one_line(row.root or ""), os.path.expanduser("~")  # noqa: PTH111 (pathlib is not imported for this)
    return "~" + root[len(home) :] if root == home or root.startswith(home + os.sep) else root


COLUMNS = (
    Column(NAME, named, lambda row: ("bold",) if row.name else ("dim",), most=MOST_NAME),
    Column(ACTIVE, when, state_style),
    Column("Profile", lambda row: one_line(row.profile or row.agent_name or ""), rank=2, most=12),
    Column("Project", project, rank=1, most=30),
    Column("Tags", lambda row: " ".join(f"#{one_line(tag)}" for tag in row.tags), lambda _: ("blue",), rank=4, most=20),
    Column("Messages", lambda row: str(row.message_count), right=True),
    Column("Files", lambda row: str(row.file_count), right=True, rank=3),
)
ALWAYS = frozenset({ACTIVE, "Messages"})
CREATED = Column("Created", lambda row: local(row.created)[:16], lambda _: ("dim",))
"""In place of the age, where that is the order."""


def listed(
    rows: Sequence[Row], width: int | None, leads: Sequence[str] = (), *, by_creation: bool = False
) -> list[str]:
    """The lines of the list; ``width`` None: nothing is cut. ``leads`` stand before the ids: the branches of a tree."""
    before = leads or [""] * len(rows)
    if width is not None and width < NARROW:
        return [line for row, lead in zip(rows, before, strict=True) for line in _narrow(row, lead, width)]
    columns = [CREATED if by_creation and column.title == ACTIVE else column for column in COLUMNS]
    return _table(rows, before, width, columns)


def _narrow(row: Row, lead: str, width: int) -> list[str]:
    """Who, what about, when."""
    facts = f"{when(row)} · {counted(row.message_count, 'message')}"
    if row.file_count:
        facts += f" · {counted(row.file_count, 'file')}"
    if row.forked_from:
        facts += " · fork"
    name = row.name and fitted(one_line(row.name), width - 10 - cells(lead))
    top = f"{lead}{styled(row.short, 'cyan')}" + (f"  {styled(name, 'bold')}" if name else "")
    under = " " * cells(lead) + "  "
    lines = [top, styled(fitted(under + facts, width), *state_style(row))]
    return [*lines, *([fitted(under + quoted(row.said), width)] if row.said else []), ""]


def _table(rows: Sequence[Row], leads: Sequence[str], width: int | None, offered: Sequence[Column]) -> list[str]:
    if not rows:
        return []
    columns = [column for column in offered if column.title in ALWAYS or any(map(_worth_showing(column), rows))]
    ids = Column("ID", lambda row: row.short, lambda _: ("cyan",))
    columns.insert(0, ids)
    deepest = max(map(cells, leads))
    sizes = {c.title: max(cells(text) for text in (c.title, *map(c.text, rows))) for c in columns}
    if width is not None:
        sizes = {c.title: min(c.most, sizes[c.title]) for c in columns}
    sizes[ids.title] += deepest
    spare = sorted((c for c in columns if c.rank), key=lambda column: column.rank)
    while width is not None and spare and _room(sizes, width) < LEAST_TEXT:
        dropped = spare.pop()
        columns.remove(dropped)
        del sizes[dropped.title]
    room = None if width is None else _room(sizes, width)
    if room is not None and room < LEAST_TEXT and NAME in sizes:
        given = min(LEAST_TEXT - room, max(0, sizes[NAME] - LEAST_NAME))
        sizes[NAME] -= given
        room += given
    head = "  ".join(aligned(c.title, sizes[c.title], c.right) for c in columns)
    lines = [styled(f"{head}  {LAST if room is None else fitted(LAST, room)}", "dim")]
    for row, lead in zip(rows, leads, strict=True):
        top = styled(aligned(lead + row.short, sizes[ids.title], False), "cyan")
        fields = [styled(aligned(_text(c, row, sizes[c.title]), sizes[c.title], c.right), *c.style(row))
                  for c in columns[1:]]  # fmt: skip
        said = quoted(row.said)
        lines.append("  ".join([top, *fields, said if room is None else fitted(said, room)]).rstrip())
    return lines


def _text(column: Column, row: Row, size: int) -> str:
    """As much of it as there is room for; the mark of a fork is not what is cut."""
    text = column.text(row)
    if column.title == NAME and text.endswith(FORK) and cells(text) > size > LEAST_NAME + len(FORK):
        return fitted(text.removesuffix(FORK), size - len(FORK)) + FORK
    return text


def _worth_showing(column: Column) -> Callable[[Row], bool]:
    return lambda row: column.text(row) not in ("", "0")


def _room(sizes: dict[str, int], width: int) -> int:
    return width - sum(sizes.values()) - 2 * len(sizes)


def quoted(text: str) -> str:
    return f'"{text}"' if text else ""


def cells(text: str) -> int:
    """Columns that the text takes: a Chinese character or an emoji takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, size: int) -> str:
    """Cut to so many columns, with an ellipsis where something was cut."""
    if cells(text) <= size:
        return text
    if size < 1:
        return ""
    from rich.cells import set_cell_size

    return set_cell_size(text, size - 1).rstrip() + "…"


def aligned(text: str, size: int, right: bool) -> str:
    shown = fitted(text, size)
    space = " " * (size - cells(shown))
    return space + shown if right else shown + space


def plain_table(titles: Sequence[str], lines: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """A table of figures: the first column on the left, cut where the terminal is narrow, the rest on the right."""
    sizes = [max(cells(line[at]) for line in (titles, *lines)) for at in range(len(titles))]
    if width is not None:
        sizes[0] = max(LEAST_NAME, min(sizes[0], width - sum(sizes[1:]) - 2 * (len(sizes) - 1)))
    shown = ["  ".join(aligned(text, size, at > 0) for at, (text, size) in enumerate(zip(line, sizes, strict=True)))
             for line in (titles, *lines)]  # fmt: skip
    return [styled(shown[0], "dim"), *(line.rstrip() for line in shown[1:])]
