"""``agentd session new | rename | archive | restore | clear | update``: one request each, and one line about it."""

from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import WrongUse
from agentd.cli.options import Json, Root, SessionId
from agentd.cli.rows import Row, row_of

MODES = ("plan", "ask", "edit")


def checked_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in MODES:
        raise WrongUse(f"No such mode: '{mode}'", "Known: plan (changes nothing), ask (asks before it does), edit.")
    return mode


def new(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="See 'agentd model list'.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", "--agent", metavar="NAME")] = None,
    mode: Annotated[str | None, typer.Option("--mode", metavar="MODE", help=f"{', '.join(MODES)}.")] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make a session without a prompt."""
    place = options.address(root)
    params = present(name=name, model=model, profile=profile, mode=checked_mode(mode))
    row = _changed(ask(place, "agentd/session/new", params), as_json)
    if row:
        output.line(f"Created new session: '{row.title}'" + (f" ({row.short})" if row.name else ""))


def rename(
    session: SessionId,
    name: Annotated[list[str], typer.Argument(metavar="NAME", help="1 to 256 characters.", show_default=False)],
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Name a session (alias: name)."""
    params = {"sessionId": session, "name": " ".join(name)}
    row = _changed(ask(options.address(root), "agentd/session/name", params), as_json)
    if row:
        output.line(f"Session {row.short} is now named '{row.title}'")


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
    params = present(sessionId=session, keep=keep)
    row = _changed(ask(options.address(root), "agentd/session/clear", params), as_json)
    if row:
        rest = f" but the last {keep}" if keep else ""
        output.line(f"Cleared session '{row.title}': its turns{rest} are kept, and no longer sent to the model")


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
    changes = present(model=model, profile=profile, mode=checked_mode(mode), description=description)
    if not changes:
        raise WrongUse("Nothing to change", "Give --model, --mode, --profile or --description.")
    row = _changed(ask(options.address(root), "agentd/session/update", {"sessionId": session, **changes}), as_json)
    if row:
        told = ", ".join(f"{name} {value}" for name, value in changes.items())
        output.line(f"Session '{row.title}': {told}")


def _changed(answer: dict[str, Any], as_json: bool) -> Row | None:
    """The session after the change, or None when JSON was asked for and has been printed."""
    if as_json:
        output.data(answer)
        return None
    return row_of(given(answer.get("session")))
