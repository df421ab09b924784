"""A session as one self-contained HTML page: no script, nothing loaded, everything of the session escaped.

A strict content security policy says so to the browser, too: the style sheet is allowed by its hash, all else is not.
"""

import base64
import hashlib
import json
from html import escape

from agentd.protocol import ContextText, Item, Turn
from agentd.rendering.prose import Ink, code, colours, plain, prose
from agentd.rendering.style import SHEET
from agentd.rendering.writing import About, cleaned, ending, facts_of, stands_for, telling, title_of, turn_facts

CONTENTS = 4
"""Turns from which on there is a table of contents."""
SHELLS = frozenset({"run_command", "bash", "shell", "Bash", "exec_command", "local_shell"})


class Page:
    """See ``Form``."""

    def __init__(self) -> None:
        self._ink = Ink()

    def opening(self, about: About) -> str:
        light, dark = colours()
        sheet = f"{SHEET}{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
        allowed = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
        title = escape(title_of(about.session))
        facts = "\n".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in facts_of(about))
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
            f"<title>{title}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
            f'<header>\n<h1>{title}</h1>\n<dl class="facts">\n{facts}\n</dl>\n{_contents(about)}</header>\n<main>\n'
        )

    def turn(self, turn: Turn, *, first: bool) -> str:
        anchor = f"turn-{turn.number}"
        items = f'<p class="notice">{stands_for(turn.compacted)}</p>\n' if turn.compacted else ""
        items += "".join(_item(item, self._ink) for item in turn.items)
        said = ending(turn)
        end = f'<p class="ended">{escape(said)}</p>\n' if said else ""
        meta = f'<p class="meta"><a href="#{anchor}">Turn {turn.number}</a><span>{escape(turn_facts(turn))}</span></p>'
        return f'<section class="turn" id="{anchor}">\n{meta}\n{items}{end}</section>\n'

    def closing(self, about: About) -> str:
        documents = "".join(
            _folded(
                f"<b>{escape(document.name)}</b>",
                prose(document.text, self._ink)
                if document.text is not None
                else plain("(not text, or too large to be shown)"),
            )
            for document in about.documents
        )
        shown = (
            f'<section class="turn" id="documents">\n<h2>Documents</h2>\n{documents}</section>\n' if documents else ""
        )
        return f"{shown}</main>\n<footer>Exported from agentd.</footer>\n</body>\n</html>\n"


def _contents(about: About) -> str:
    if len(about.headings) < CONTENTS:
        return ""
    rows = [
        f'<li><span>{one.number}</span><a href="#turn-{one.number}">{escape(one.title)}</a></li>'
        for one in about.headings
    ]
    if about.documents:
        rows.append('<li><span></span><a href="#documents">Documents</a></li>')
    listed = "\n".join(rows)
    return f"<nav>{_folded('Contents', f'<ol>{listed}</ol>', opened=len(rows) <= 20)}</nav>\n"


def _item(item: Item, ink: Ink) -> str:
    text = item.text or ""
    if item.kind == "prompt":
        context = "".join(_context(one, ink) for one in item.context or ())
        return f'<div class="prompt">\n{prose(text, ink, breaks=True)}</div>\n{context}'
    if item.kind == "tool":
        return _tool(item, ink)
    if not text.strip():
        return ""
    if item.kind == "text":
        return f'<div class="reply">\n{prose(text, ink)}</div>\n'
    if item.kind == "thinking":
        return _folded("Thinking", prose(text, ink), kind="thinking")
    if item.kind == "notice":
        return f'<p class="notice">{escape(cleaned(text))}</p>\n'
    return ""


def _context(one: ContextText, ink: Ink) -> str:
    title = f"Context: <b>{escape(cleaned(one.title))}</b>"
    if one.text is None:
        return f'<p class="notice">{title}: {escape(one.problem or "without text")}</p>\n'
    return _folded(title, code(one.text, _language(one.uri or one.title), ink))


def _tool(item: Item, ink: Ink) -> str:
    given = dict(item.input or {})
    command = given.pop("command", None) if item.name in SHELLS else None
    about = telling(item)
    body = ""
    if isinstance(command, list):
        command = " ".join(str(one) for one in command)
    if command is not None:
        body += code(str(command), "bash", ink)
    if given:
        body += code(json.dumps(given, ensure_ascii=False, indent=2), "json", ink)
    if item.output is not None:
        body += f'<p class="label">Result</p>\n{plain(item.output)}'
    if item.edits:
        edits = json.dumps(list(item.edits), ensure_ascii=False, indent=2)
        body += f'<p class="label">Edits</p>\n{code(edits, "json", ink)}'
    state = "" if item.status in (None, "completed") else f'<span class="state">{item.status}</span>'
    argument = f" <code>{escape(about)}</code>" if about else ""
    summary = f"{state}<b>{escape(cleaned(item.name or '?'))}</b>{argument}"
    return _folded(summary, body or plain("(no input)"), kind="tool")


def _folded(summary: str, body: str, *, kind: str = "", opened: bool = False) -> str:
    attribute = (f' class="{kind}"' if kind else "") + (" open" if opened else "")
    return f'<details{attribute}><summary>{summary}</summary><div class="body">\n{body}</div></details>\n'


def _language(place: str) -> str:
    """By the end of a file's name; lines after it (``a.py:3-9``) are no part of it."""
    name = place.rsplit("/", 1)[-1].split(":")[0].split(" ")[0]
    return name.rsplit(".", 1)[-1] if "." in name else ""
