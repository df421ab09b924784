"""Markdown for the terminal, as it streams: whole blocks are printed once, only the last one is still redrawn."""

from typing import ClassVar

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from agentd.cli.region import STYLE

WIDEST = 100
"""Columns; longer lines of prose are hard to read."""

CODE_THEME = "ansi_dark"
"""The terminal's own colours, and its own background: right on dark and on light ones."""


class _Heading(Heading):
    """On the left, marked by weight alone: no boxes, nothing centred."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = "bold underline" if self.tag == "h1" else "bold"
        yield Text.assemble((self.text.plain, style))


class _Code(CodeBlock):
    """Indented by two, so that it stands out without a background; long lines are wrapped."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Syntax(str(self.text).rstrip("\n"), self.lexer_name, theme=CODE_THEME, word_wrap=True,
                      background_color="default", padding=(0, 0, 0, 2))  # fmt: skip
        yield code


class _Table(TableElement):
    """Without empty rows around it, and with long words broken rather than cut: no text is lost on a narrow screen."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            assert isinstance(table, Table)
            table.show_edge = False
            for column in table.columns:
                column.overflow = "fold"
            yield table


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements, "heading_open": _Heading, "fence": _Code, "code_block": _Code, "table_open": _Table,
    }  # fmt: skip


def rendered(text: str, console: Console) -> list[str]:
    """The lines of a piece of Markdown, with the terminal's styles, without blank ones around it."""
    with console.capture() as capture:
        width = min(console.width, WIDEST)
        console.print(_Markdown(text, code_theme=CODE_THEME, hyperlinks=False), width=width, end="")
    lines = [line.rstrip() for line in capture.get().split("\n")]
    while lines and _blank(lines[0]):
        del lines[0]
    while lines and _blank(lines[-1]):
        del lines[-1]
    return lines


def _blank(line: str) -> bool:
    return not STYLE.sub("", line).strip()


class Blocks:
    """Cuts streamed Markdown into blocks: ``finished`` takes those out that nothing later can change."""

    def __init__(self) -> None:
        self.pending = ""
        self._parser = MarkdownIt().enable("table").enable("strikethrough")

    def add(self, text: str) -> None:
        self.pending += text

    def finished(self) -> str:
        """What stands before the last block; that one, and a line that is not whole yet, remain pending."""
        end = self.pending.rfind("\n") + 1
        starts = [token.map[0] for token in self._parser.parse(self.pending[:end])
                  if token.level == 0 and token.map is not None]  # fmt: skip
        if len(starts) < 2:
            return ""
        lines = self.pending.split("\n")
        done, rest = lines[: starts[-1]], lines[starts[-1] :]
        self.pending = "\n".join(rest)
        return "\n".join(done) + "\n"

    def rest(self) -> str:
        rest, self.pending = self.pending, ""
        return rest
