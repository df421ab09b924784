"""The list of sessions, as wide as the terminal: a table, or two lines for each session where that is narrow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentd.cli.output import one_line, styled
from agentd.cli.rows import Row, counted, heading, state_style, when

NARROW = 60
LEAST_TEXT = 16
LEAST_NAME, MOST_NAME = 4, 28
NAME = "Name"


@dataclass(frozen=True, slots=True)
class Column:
    """``rank``: columns of the highest rank go first where there is no room."""

    title: str
    text: Callable[[Row], str]
    style: Callable[[Row], tuple[str, ...]] = lambda _: ()
    right: bool = False
    rank: int = 0
    most: int = 1000


COLUMNS = (
    Column("ID", lambda row: row.short, lambda _: ("cyan",)),
    Column(NAME, lambda row: one_line(row.name or ""), lambda _: ("bold",), most=MOST_NAME),
    Column("Active", when, state_style),
    Column("Profile", lambda row: one_line(row.profile or ""), rank=1, most=12),
    Column("Messages", lambda row: str(row.message_count), right=True),
    Column("Files", lambda row: str(row.file_count), right=True, rank=2),
)
LAST = "Last Prompt"


def listed(rows: Sequence[Row], width: int | None) -> list[str]:
    """The lines of the list; ``width`` None: nothing is cut."""
    if width is not None and width < NARROW:
        return [line for row in rows for line in _narrow(row, width)]
    return _table(rows, width)


def _narrow(row: Row, width: int) -> list[str]:
    facts = f"{when(row)} · {counted(row.message_count, 'message')}"
    if row.file_count:
        facts += f" · {counted(row.file_count, 'file')}"
    name = row.name and fitted(one_line(row.name), width - 10)
    top = f"{styled(row.short, 'cyan')}  {styled(name, 'bold')}" if name else heading(row)
    return [top, styled(fitted(f"  {facts}", width), *state_style(row)), fitted(f"  {quoted(row.said)}", width), ""]


def _table(rows: Sequence[Row], width: int | None) -> list[str]:
    if not rows:
        return []
    columns = [column for column in COLUMNS if column.title in ("ID", "Messages") or any(map(column.text, rows))]
    sizes = {c.title: min(c.most, max(cells(text) for text in (c.title, *map(c.text, rows)))) for c in columns}
    spare = sorted((c for c in columns if c.rank), key=lambda column: column.rank)
    while width is not None and spare and _room(sizes, width) < LEAST_TEXT:
        dropped = spare.pop()
        columns.remove(dropped)
        del sizes[dropped.title]
    room = None if width is None else _room(sizes, width)
    if room is not None and room < LEAST_TEXT and NAME in sizes:
        given = min(LEAST_TEXT - room, sizes[NAME] - LEAST_NAME)
        sizes[NAME] -= given
        room += given
    head = "  ".join(aligned(c.title, sizes[c.title], c.right) for c in columns)
    lines = [styled(f"{head}  {LAST if room is None else fitted(LAST, room)}", "dim")]
    for row in rows:
        fields = [styled(aligned(c.text(row), sizes[c.title], c.right), *c.style(row)) for c in columns]
        said = quoted(row.said)
        lines.append("  ".join([*fields, said if room is None else fitted(said, room)]).rstrip())
    return lines


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
