"""A session as Markdown that reads well on its own: prompts quoted, replies as they are, all else folded.

Content cannot break out of its place: code stands in a fence longer than any in it, prompts in a quotation, and what
a reply leaves open is closed behind it.
"""

import json
import re
from html import escape

from agentd.protocol import ContextText, Item, Turn
from agentd.rendering.writing import About, cleaned, ending, facts_of, heading_of, telling, title_of, turn_facts

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_RUNS = re.compile(r"`{3,}")
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})(.*)")
_SWALLOWS = ("<!--", "<details", "<script", "<style", "<pre", "<textarea", "<![cdata[", "<?")
_CLOSES = ("-->", "</details", "</script", "</style", "</pre", "</textarea", "]]>", "?>")
FOLDED = 12
"""Lines of context beyond which it is folded."""


class Markdown:
    """See ``Form``."""

    def opening(self, about: About) -> str:
        facts = [f"- **{label}:** {_escaped(value)}" for label, value in facts_of(about)]
        return "\n".join([f"# {_escaped(title_of(about.session))}", "", *facts, ""])

    def turn(self, turn: Turn, *, first: bool) -> str:
        blocks = [f"## {turn.number}. {_escaped(heading_of(turn).title)}", f"*{_escaped(turn_facts(turn))}*"]
        for item in turn.items:
            blocks += _item(item)
        said = ending(turn)
        if said:
            blocks.append(f"> **{_escaped(said)}**")
        return "\n---\n\n" + "\n\n".join(blocks) + "\n"

    def closing(self, about: About) -> str:
        if not about.documents:
            return ""
        blocks = ["## Documents"]
        for document in about.documents:
            text = "(not text, or too large to be shown)" if document.text is None else document.text
            blocks.append(_folded(f"<code>{escape(document.name)}</code>", fenced(text, "markdown")))
        return "\n---\n\n" + "\n\n".join(blocks) + "\n"


def fenced(text: str, language: str = "") -> str:
    """The text in a code block that nothing in it can end."""
    text = cleaned(text).rstrip("\n")
    longest = max((len(run) for run in _RUNS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def contained(text: str) -> str:
    """A reply as it is, but for what it leaves open: a code block is closed, a tag that swallows the rest, shown."""
    text = cleaned(text).strip("\n")
    open_fence = ""
    for line in text.split("\n"):
        met = _FENCE.fullmatch(line)
        if met is None:
            continue
        fence, rest = met.groups()
        if not open_fence:
            open_fence = "" if fence[0] == "`" and "`" in rest else fence
        elif fence[0] == open_fence[0] and len(fence) >= len(open_fence) and not rest.strip():
            open_fence = ""
    if open_fence:
        text += f"\n{open_fence}"
    lowered = text.lower()
    for opens, closes in zip(_SWALLOWS, _CLOSES, strict=True):
        if lowered.count(opens) > lowered.count(closes):
            text = re.sub(re.escape(opens), lambda met: "&lt;" + met.group()[1:], text, flags=re.IGNORECASE)
    return text


def _item(item: Item) -> list[str]:
    text = item.text or ""
    if item.kind == "prompt":
        return [_quoted(text), *(_context(one) for one in item.context or ())]
    if item.kind == "text":
        return [contained(text)] if text.strip() else []
    if item.kind == "thinking":
        return [_folded("Thinking", fenced(text))] if text.strip() else []
    if item.kind == "tool":
        return [_tool(item)]
    if item.kind == "notice":
        return [f"> *{_escaped(' '.join(cleaned(text).split()))}*"] if text.strip() else []
    return []


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in contained(text).split("\n"))


def _context(one: ContextText) -> str:
    title = f"Context: {escape(' '.join(cleaned(one.title).split()))}"
    if one.text is None:
        return f"*{_escaped(one.title)}: {_escaped(one.problem or 'without text')}*"
    return _folded(title, fenced(one.text))


def _tool(item: Item) -> str:
    about = telling(item)
    status = "" if item.status in (None, "completed") else f" ({item.status})"
    summary = (
        f"Tool: <b>{escape(cleaned(item.name or '?'))}</b>{' <code>' + escape(about) + '</code>' if about else ''}"
    )
    parts = [fenced(json.dumps(item.input or {}, ensure_ascii=False, indent=2), "json")]
    if item.output is not None:
        parts += ["Result:", fenced(item.output)]
    if item.edits:
        parts += ["Edits:", fenced(json.dumps(list(item.edits), ensure_ascii=False, indent=2), "json")]
    return _folded(summary + status, "\n\n".join(parts))


def _folded(summary: str, body: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
