"""``agentd session new | rename | tag | describe | archive | restore | clear | update``: a change, a line about it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import WrongUse
from agentd.cli.options import Json, Root, SessionId
from agentd.cli.output import one_line
from agentd.cli.rows import Row, counted, row_of
from agentd.client.dial import Address
from agentd.errors import AmbiguousSession

MODES = ("plan", "ask", "edit")


def checked_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in MODES:
        raise WrongUse(f"No such mode: '{mode}'", "Known: plan (changes nothing), ask (asks before it does), edit.")
    return mode


def checked_word(option: str, word: str | None) -> str | None:
    """A model's or a profile's name: whether there is such a one the daemon knows, that it is empty we see here."""
    if word is not None and not word.strip():
        raise WrongUse(f"{option}: no name is given", f"See 'agentd {option.removeprefix('--')} list'.")
    return word


def new(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="See 'agentd model list'.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", "--agent", metavar="NAME")] = None,
    mode: Annotated[str | None, typer.Option("--mode", metavar="MODE", help=f"{', '.join(MODES)}.")] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent",
            metavar="ID",
            help="A sub-session of this one: give --profile as well.",
            autocompletion=options.known_sessions,
        ),
    ] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make a session without a prompt."""
    place = options.address(root)
    params = present(
        name=name,
        model=checked_word("--model", model),
        profile=checked_word("--profile", profile),
        mode=checked_mode(mode),
        parentId=parent,
    )
    row = _changed(ask(place, "agentd/session/new", params), as_json)
    if row:
        output.line(f"Created new session: '{row.title}'" + (f" ({row.short})" if row.name else ""))
        warn_of_namesake(place, row)


def rename(
    session: SessionId,
    name: Annotated[list[str], typer.Argument(metavar="NAME", help="1 to 256 characters.", show_default=False)],
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Name a session (alias: name)."""
    params = {"sessionId": session, "name": " ".join(name)}
    place = options.address(root)
    row = _changed(ask(place, "agentd/session/name", params), as_json)
    if row:
        output.line(f"Session {row.short} is now named '{row.title}'")
        warn_of_namesake(place, row)


def tag(
    session: SessionId,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[+TAG] [-TAG] …", help="+TAG or TAG adds, -TAG removes; none: list them.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Add tags to a session, or remove them."""
    place = options.address(root)
    shown = ask(place, "agentd/session/show", {"sessionId": session})
    row = row_of(given(shown.get("session")))
    tags = tagged(row.tags, words or [])
    if words:
        changed = _changed(ask(place, "agentd/session/update", {"sessionId": row.id, "tags": tags}), as_json)
        if changed:
            output.line(f"Session '{changed.title}': {_tags(changed.tags)}")
    elif as_json:
        output.data({"session": shown.get("session")})
    else:
        output.line(_tags(row.tags))


def tagged(before: Sequence[str], words: Sequence[str]) -> list[str]:
    """The tags after ``+a -b c``: each once, the new ones at the end."""
    tags = list(before)
    for word in words:
        name = word.lstrip("#") if word[:1] not in "+-" else word[1:].lstrip("#")
        if not name.strip():
            raise WrongUse(f"'{word}' names no tag", "agentd session tag ID +a -b")
        if word.startswith("-"):
            tags = [known for known in tags if known != name]
        elif name not in tags:
            tags.append(name)
    return tags


def _tags(tags: Sequence[str]) -> str:
    return " ".join(f"#{one_line(name)}" for name in tags) or "no tags"


def describe(
    session: SessionId,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="'' takes it away.", show_default=False)],
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Describe a session in a sentence."""
    params = {"sessionId": session, "description": " ".join(text).strip()}
    row = _changed(ask(options.address(root), "agentd/session/update", params), as_json)
    if row:
        output.line(f"Session '{row.title}': {one_line(row.description or '') or 'no description'}")


def archive(session: SessionId, as_json: Json = False, root: Root = None) -> None:
    """Put a session away; it is kept, and can be restored."""
    row = _changed(ask(options.address(root), "agentd/session/archive", {"sessionId": session}), as_json)
    if row:
        output.line(f"Archived session '{row.title}'. Back with: agentd session restore {row.short}")


def restore(session: SessionId, as_json: Json = False, root: Root = None) -> None:
    """Bring an archived session back."""
    row = _changed(ask(options.address(root), "agentd/session/restore", {"sessionId": session}), as_json)
    if row:
        output.line(f"Restored session '{row.title}'")


def clear(
    session: SessionId,
    keep: Annotated[int | None, typer.Option("--keep", min=0, metavar="N", help="All but the last N turns.")] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Send earlier turns no longer to the model; they stay on disk."""
    place = options.address(root)
    if keep:
        shown = ask(place, "agentd/session/show", {"sessionId": session})
        row = row_of(given(shown.get("session")))
        if row.turn_count <= keep:
            if as_json:
                output.data({"session": shown.get("session")})
            else:
                output.line(f"Nothing to clear: session '{row.title}' has {counted(row.turn_count, 'turn')}")
            return
    changed = _changed(ask(place, "agentd/session/clear", present(sessionId=session, keep=keep)), as_json)
    if changed:
        rest = f" but the last {keep}" if keep else ""
        output.line(f"Cleared session '{changed.title}': its turns{rest} are kept, and no longer sent to the model")


def update(
    session: SessionId,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="See 'agentd model list'.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", "--agent", metavar="NAME")] = None,
    mode: Annotated[str | None, typer.Option("--mode", metavar="MODE", help=f"{', '.join(MODES)}.")] = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT")] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Change a session's model, mode, profile or description."""
    changes = present(
        model=checked_word("--model", model),
        profile=checked_word("--profile", profile),
        mode=checked_mode(mode),
        description=description,
    )
    if not changes:
        raise WrongUse("Nothing to change", "Give --model, --mode, --profile or --description.")
    row = _changed(ask(options.address(root), "agentd/session/update", {"sessionId": session, **changes}), as_json)
    if row:
        told = ", ".join(f"{name} {value}" for name, value in changes.items())
        output.line(f"Session '{row.title}': {told}")


def warn_of_namesake(place: Address, row: Row) -> None:
    """Two sessions may have one name, and then the name says no longer which is meant."""
    if not row.name:
        return
    try:
        ask(place, "agentd/session/show", {"sessionId": row.name})
    except AmbiguousSession:
        output.note(f"Another session is called '{row.title}' as well: name this one by its id, {row.short}.")


def _changed(answer: dict[str, Any], as_json: bool) -> Row | None:
    """The session after the change, or None when JSON was asked for and has been printed."""
    if as_json:
        output.data(answer)
        return None
    return row_of(given(answer.get("session")))
