"""Markdown for the terminal, as it streams: whole blocks are printed once, only the last one is still redrawn."""

import re
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from agentd.cli.output import clean
from agentd.cli.region import STYLE

WIDEST = 100
"""Columns; longer lines of prose are hard to read."""

CODE_THEME = "ansi_dark"
"""The terminal's own colours, and its own background: right on dark and on light ones."""


CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})")
ENDED_BY_BLANK = frozenset({"paragraph_open", "heading_open", "table_open", "blockquote_open", "hr"})
"""Blocks that a blank line ends for good. A list goes on after one, and so does indented code."""


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

    def __init__(self, text: str) -> None:
        super().__init__(text, code_theme=CODE_THEME, hyperlinks=False)
        self.parsed = _literal(parser().parse(text))


def parser() -> MarkdownIt:
    """Of what a model writes. Definitions of references are text like any other: the place that refers to one may
    have been drawn already, and one that nothing refers to must not vanish."""
    return MarkdownIt().enable("table").enable("strikethrough").disable("reference")


def _literal(tokens: list[Token]) -> list[Token]:
    """With HTML and images, which a terminal does not show, as the text that they were written as."""
    for token in tokens:
        if token.type == "html_block":
            token.type, token.info = "fence", "html"
        elif token.type == "html_inline":
            token.type = "text"
        elif token.type == "image":
            token.type, token.tag = "text", ""
            token.content, token.children = f"![{token.content}]({token.attrs.get('src', '')})", None
        if token.children:
            _literal(token.children)
    return tokens


def rendered(text: str, console: Console) -> list[str]:
    """The lines of a piece of Markdown, with the terminal's styles, without blank ones around it."""
    with console.capture() as capture:
        width = min(console.width, WIDEST)
        console.print(_Markdown(text), width=width, end="")
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
        self._parser = parser()

    def add(self, text: str) -> None:
        self.pending += clean(text)

    def finished(self) -> str:
        """What nothing later can change; the block that may still grow, and a line that is not whole, remain."""
        end = self.pending.rfind("\n") + 1
        tokens = self._parser.parse(self.pending[:end])
        blocks = [token for token in tokens if token.level == 0 and token.map is not None]
        if not blocks:
            return ""
        lines = [line + "\n" for line in self.pending[:end].split("\n")[:-1]]
        last = blocks[-1]
        first_line = last.map[0] if last.map else 0
        done = len(lines) if _is_whole(last, lines) else first_line
        whole = "".join(lines[:done])
        self.pending = self.pending[len(whole) :]
        return whole

    def rest(self) -> str:
        rest, self.pending = self.pending, ""
        return rest


def _is_whole(block: Token, lines: list[str]) -> bool:
    """Whether the last block is over: a blank line ended it, or its own end has come."""
    if block.type == "fence" and block.map is not None:
        begin, end = block.map
        closing = lines[end - 1].rstrip()
        return end - begin > 1 and CLOSING.fullmatch(closing) is not None and block.markup in closing
    return block.type in ENDED_BY_BLANK and not lines[-1].strip()
