"""Markdown that stays in its place, and a page that does nothing, whatever a session holds."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agentd.protocol import ContextText, Item, Problem, Session, Turn
from agentd.rendering.markdown import Markdown, fenced
from agentd.rendering.page import Page
from agentd.rendering.writing import About, Document, Form, heading_of

TIME = "2026-01-02T03:04:05.678Z"
PIECES = [
    "```", "````", "~~~", "`", "</details>", "<details>", "<!--", "-->", "<script>alert(1)</script>", "</pre>", "<b>",
    '<img src=x onerror="alert(1)">', "[a](javascript:alert(1))", "[a](https://e.org/?a=1&b=2)", "<https://e.org>",
    "![x](https://e.org/x.png)", "[a](data:text/html,x)", "[r]: javascript:alert(1)\n\n[r]", "\n", "\n\n", "    ", "> ",
    "- ", "# ", "|", "a|b|c\n-:|:-:|-\n1|2|3\n", "&lt;", "&#106;avascript:", "\x1b[31m", "\0", "\u202e", "text", '"',
    "</style>", "<?x", "<![CDATA[", "```python\nx = 1\n", "```diff onload=x\n", "\\", "---", "===", "\r", "<textarea>",
    "<svg/onload=alert(1)>", "<div", "***", "1. ", "'",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=14).map("".join)
TAGS = re.compile(
    "html|head|meta|title|style|body|header|h[1-6]|dl|dt|dd|main|section|p|a|span|div|details|summary|pre|code|b|nav|ol|ul"
    "|li|blockquote|hr|table|thead|tbody|tr|th|td|em|strong|s|br|footer"
)
ATTRIBUTES = re.compile("lang|charset|content|http-equiv|name|class|id|href|rel|open|data-language|start|title")


def session_of(text: str) -> Session:
    return Session(id="8a3f2b1c-0d4e", created=TIME, last_active=TIME, name=text[:256] or None, tags=(text,),
                   description=text, working_dir=text, branch=text, model=text, profile=text)  # fmt: skip


def turn_of(number: int, text: str) -> Turn:
    items = (
        Item(id=f"{number}.1", kind="prompt", text=text, context=(ContextText(title=text, text=text, uri=text),)),
        Item(id=f"{number}.2", kind="prompt", text=text, context=(ContextText(title=text, problem=text),)),
        Item(id=f"{number}.3", kind="thinking", text=text),
        Item(
            id=f"{number}.4", kind="tool", name=text, input={"path": text, text: [text]}, output=text, status="failed"
        ),
        Item(id=f"{number}.5", kind="tool", name="bash", input={"command": text}),
        Item(id=f"{number}.6", kind="notice", text=text),
        Item(id=f"{number}.7", kind="text", text=text),
    )
    error = Problem(kind="modelFailed", message=text)
    return Turn(number=number, status="failed", started=TIME, items=items, error=error, model=text)


def written(form: Form, texts: list[str]) -> str:
    turns = [turn_of(number, text) for number, text in enumerate(texts, 1)]
    about = About(
        session=session_of(texts[0] if texts else ""),
        exported=TIME,
        version="0.1.0",
        documents=(Document(texts[0] if texts else "a.md", texts[0] if texts else None), Document("b.md", None)),
        headings=tuple(heading_of(turn) for turn in turns),
    )
    middle = "".join(form.turn(turn, first=turn.number == 1) for turn in turns)
    return form.opening(about) + middle + form.closing(about)


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("br", "hr")
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.styles.append(data)


@settings(max_examples=120, deadline=None)
@given(st.lists(HOSTILE, max_size=5))
def test_a_page_does_nothing_and_loads_nothing(texts: list[str]) -> None:
    page = Seen()
    page.feed(written(Page(), texts))
    page.close()
    assert not page.unbalanced and not page.open
    for tag, attributes in page.tags:
        assert TAGS.fullmatch(tag)
        assert all(ATTRIBUTES.fullmatch(name) for name in attributes)
        href = attributes.get("href")
        assert href is None or href.startswith(("https://", "http://", "mailto:", "#turn-", "#documents"))
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes) or ""
    digest = base64.b64encode(hashlib.sha256("".join(page.styles).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == [
        *(f"turn-{number}" for number in range(1, len(texts) + 1)), "documents",
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_in_markdown_every_turn_begins_where_it_does(texts: list[str]) -> None:
    """No reply, prompt or output swallows the turns after it: their headings are headings, outside of any block."""
    text = written(Markdown(), texts)
    tokens = MarkdownIt("commonmark", {"html": True}).parse(text)
    headings = [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0 and token.markup == "##"
    ]
    for number in range(1, len(texts) + 1):
        assert any(heading.startswith(f"{number}. ") for heading in headings), text
    assert headings[-1] == "Documents"


@given(HOSTILE)
def test_nothing_ends_a_fence_from_within(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(fenced(text) + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_code_is_coloured_and_links_are_links() -> None:
    page = written(Page(), ["see [here](https://e.org/?a=1&b=2)\n\n```python\nimport os\n```\n\n|a|b|\n|-|-|\n|1|2|"])
    assert '<span class="kn">import</span>' in page and 'data-language="python"' in page
    assert '<a href="https://e.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow">here</a>' in page
    assert "<th>a</th>" in page


def test_a_page_of_a_few_turns_has_contents() -> None:
    assert '<a href="#turn-5">e</a>' in written(Page(), ["a", "b", "c", "d", "e"])
    assert "<nav>" not in written(Page(), ["a"])
