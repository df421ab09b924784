"""``agentd session documents``: a session's notes and plans, beside the code and out of git."""

import os
import shlex
import subprocess
import sys
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask
from agentd.cli.failing import FAILED, Stop, WrongUse
from agentd.cli.output import one_line
from agentd.cli.rows import age, size
from agentd.cli.table import aligned, cells
from agentd.cli.wish import piped_text
from agentd.client.dial import Address

ACTIONS = ("list", "new", "open", "print")


def documents(
    session: options.SessionId,
    action: Annotated[str, typer.Argument(metavar="[list|new|open|print]", show_default=False)] = "list",
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """List a session's documents, make, open or print one.

    'new' takes its text from a pipe, if there is one; 'open' uses $VISUAL or $EDITOR.
    """
    if action not in ACTIONS:
        raise WrongUse(f"documents: '{action}' is not known", f"Known: {', '.join(ACTIONS)}.")
    place = options.address(root)
    if action == "list":
        _list(ask(place, "agentd/session/documents", {"sessionId": session}), session, as_json=as_json)
        return
    if name is None:
        raise WrongUse(f"documents {action} needs a name", f"agentd session documents {session} {action} NAME")
    if action == "new":
        _new(place, session, name, as_json=as_json)
    elif action == "open":
        raise Stop(opened(_path(place, session, name)))
    else:
        with open(_path(place, session, name), encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read()
        output.write(output.clean(text) if output.is_terminal(sys.stdout) else text)


def _list(answer: dict[str, Any], session: str, *, as_json: bool) -> None:
    if as_json:
        output.data(answer)
        return
    for line in lines(answer):
        output.line(line)
    if not answer.get("documents"):
        output.note(f"No documents yet. Make one: agentd session documents {session} new NAME")
    output.note(f"They are in {path_of(str(answer.get('uri', '')))}")


def lines(answer: dict[str, Any]) -> list[str]:
    """Name, size and age of each."""
    known = answer.get("documents", [])
    longest = max((cells(one_line(str(document["name"]))) for document in known), default=0)
    return [
        f"{aligned(one_line(str(document['name'])), longest, False)}  {aligned(size(int(document['size'])), 6, True)}  "
        f"{age(str(document['modified']))}"
        for document in known
    ]


def _new(place: Address, session: str, name: str, *, as_json: bool) -> None:
    piped = piped_text() or ""
    answer = ask(place, "agentd/session/createDocument", {"sessionId": session, "name": name, "text": piped})
    if as_json:
        output.data(answer)
        return
    path = path_of(str(answer.get("uri", "")))
    output.line(path)
    if not piped and output.can_draw() and editor():
        raise Stop(opened(path))


def _path(place: Address, session: str, name: str) -> str:
    known = ask(place, "agentd/session/documents", {"sessionId": session}).get("documents", [])
    for document in known:
        if document["name"] in (name, f"{name}.md"):
            return path_of(str(document["uri"]))
    names = ", ".join(one_line(str(document["name"])) for document in known)
    raise WrongUse(
        f"Session '{session}' has no document '{name}'", f"It has: {names}." if names else "It has none yet."
    )


def path_of(uri: str) -> str:
    return unquote(urlsplit(uri).path)


def editor() -> list[str]:
    """The person's own, as words; empty: none is set."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        return shlex.split(chosen)
    except ValueError:
        return [chosen]


def opened(path: str) -> int:
    """Open it in the editor and wait; the editor's exit code, and 1 if there is none."""
    words = editor()
    if not words:
        output.error("Neither VISUAL nor EDITOR is set", f"The document is {path}")
        return FAILED
    try:
        return subprocess.run([*words, path], check=False).returncode and FAILED
    except OSError as error:
        output.error(f"{words[0]}: {error.strerror}", f"The document is {path}")
        return FAILED
