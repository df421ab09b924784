"""Markdown and code as HTML that does nothing: no tags of its own, no images, links to the web and mail alone.

Heavy libraries are imported at the first use: nobody who does not export waits for them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from agentd.rendering.writing import cleaned

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

LONGEST_PROSE = 200_000
"""Characters beyond which text is shown as it is: a parser's worst case is no reader's business."""
LONGEST_CODE = 60_000
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,30}")


@dataclass(slots=True)
class Ink:
    """What one page may still cost: characters of parsed prose and of coloured code. Beyond, text stands as it is."""

    prose: int = 4_000_000
    colour: int = 1_000_000


def prose(text: str, ink: Ink, *, breaks: bool = False) -> str:
    """Markdown as HTML. ``breaks``: a line's end is one on the page, too."""
    text = cleaned(text)
    if len(text) > min(LONGEST_PROSE, ink.prose):
        return plain(text)
    ink.prose -= len(text)
    return str(_parser(breaks).render(text, {"ink": ink}))


def plain(text: str) -> str:
    """Text in a block, as it is."""
    return f'<pre class="out"><code>{escape(cleaned(text).rstrip())}</code></pre>\n'


def code(text: str, language: str, ink: Ink) -> str:
    """Code in a block, coloured if the language is known and it is not too long."""
    text = cleaned(text).rstrip("\n")
    label = language if _LANGUAGE.fullmatch(language) else ""
    coloured = None
    if label and len(text) <= min(LONGEST_CODE, ink.colour):
        ink.colour -= len(text)
        coloured = _coloured(text, label)
    shown = coloured if coloured is not None else escape(text)
    attribute = f' data-language="{escape(label)}"' if label and label != "text" else ""
    return f'<pre class="hl"{attribute}><code>{shown}</code></pre>\n'


@lru_cache(maxsize=1)
def colours() -> tuple[str, str]:
    """The style sheets of coloured code, for light and for dark."""
    from pygments.formatters import HtmlFormatter

    made = []
    for style in ("default", "github-dark"):
        formatter: Any = HtmlFormatter(style=style)
        rules = str(formatter.get_style_defs(".hl")).splitlines()
        made.append("\n".join(rule for rule in rules if rule.startswith(".hl .")))
    return made[0], made[1]


@lru_cache(maxsize=2)
def _parser(breaks: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": breaks}).enable(["table", "strikethrough"])
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    parser.add_render_rule("th_open", _cell)
    parser.add_render_rule("td_open", _cell)
    parser.validateLink = _is_link  # type: ignore[method-assign]
    return parser


def _is_link(url: str) -> bool:
    return _LINK.match(url) is not None


def _fence(
    renderer: "RendererHTML",
    tokens: "Sequence[Token]",
    at: int,
    options: "OptionsDict",
    env: "MutableMapping[str, Any]",
) -> str:
    words = tokens[at].info.split()
    return code(tokens[at].content, words[0] if words else "", env["ink"])


def _image(
    renderer: "RendererHTML",
    tokens: "Sequence[Token]",
    at: int,
    options: "OptionsDict",
    env: "MutableMapping[str, Any]",
) -> str:
    """Nothing is loaded: the picture is named, and can be followed by hand."""
    source = str(tokens[at].attrGet("src") or "")
    name = escape(tokens[at].content or "image")
    if not _is_link(source):
        return f'<span class="image">{name}</span>'
    return f'<a class="image" href="{escape(source)}" rel="noopener noreferrer nofollow">{name}</a>'


def _link(
    renderer: "RendererHTML",
    tokens: "Sequence[Token]",
    at: int,
    options: "OptionsDict",
    env: "MutableMapping[str, Any]",
) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, at, options, env))


def _cell(
    renderer: "RendererHTML",
    tokens: "Sequence[Token]",
    at: int,
    options: "OptionsDict",
    env: "MutableMapping[str, Any]",
) -> str:
    """Its alignment as a class: the page's policy allows no style but its own sheet."""
    side = str(tokens[at].attrGet("style") or "").removeprefix("text-align:")
    return f'<{tokens[at].tag} class="{side}">' if side in ("right", "center") else f"<{tokens[at].tag}>"


def _table_open(*_: object) -> str:
    return '<div class="wide"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"


def _coloured(text: str, language: str) -> str | None:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter

    lexer = _lexer(language.lower())
    return None if lexer is None else str(highlight(text, lexer, HtmlFormatter(nowrap=True))).rstrip("\n")


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None
