"""``agentd session`` and its commands, one table; ``agentd sessions`` alone is the list, ``agentd search`` the search.

Only the module of the command that was named is imported; all of them for help and completion.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import typer

from agentd.cli import options

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("list", "list_sessions"), "history": ("list", "history"), "background": ("list", "background"),
    "search": ("search", "search"), "show": ("show", "show"),
    "resume": ("fork", "resume"), "retry": ("fork", "retry"), "fork": ("fork", "fork"),
    "interrupt": ("turns", "interrupt"), "detach": ("turns", "detach"), "seen": ("turns", "seen"),
    "new": ("change", "new"), "rename": ("change", "rename"), "name": ("change", "rename"),
    "tag": ("change", "tag"), "describe": ("change", "describe"), "update": ("change", "update"),
    "archive": ("change", "archive"), "restore": ("change", "restore"),
    "clear": ("change", "clear"), "compact": ("turns", "compact"),
    "delete": ("delete", "delete"), "cleanup": ("delete", "cleanup"),
    "stats": ("stats", "stats"), "documents": ("documents", "documents"),
    "events": ("events", "events"), "blob": ("events", "blob"),
    "export": ("export", "export"), "import": ("import", "import_sessions"),
}  # fmt: skip
"""Each command, the module ``agentd.cli.session_…`` that it is in, and the function; in the order of the help."""

HIDDEN = frozenset({"name", "blob"})
TAKES_MINUS = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""``-TAG`` is no option."""

SETTINGS: Mapping[str, dict[str, Any]] = {"tag": TAKES_MINUS}


def add_to(app: typer.Typer, only: str | None = None) -> None:
    """``only``: the word that follows the group's name; what it names is enough."""
    chosen = [only] if only in COMMANDS else list(COMMANDS)
    for name, hidden, told in (
        ("session", False, "Sessions: list, search, show, resume, fork, rename, delete …"),
        ("sessions", True, "The same as 'session'; alone: the list."),
    ):
        group = typer.Typer(help=told, invoke_without_command=True, rich_markup_mode=None)
        group.callback()(_alone)
        for command in chosen:
            settings = SETTINGS.get(command)
            group.command(command, hidden=command in HIDDEN, context_settings=settings)(_function(command))
        app.add_typer(group, name=name, hidden=hidden)
    if only not in COMMANDS or only == "search":
        app.command("search")(_function("search"))


def _function(command: str) -> Callable[..., None]:
    module, function = COMMANDS[command]
    found: Callable[..., None] = vars(importlib.import_module(f"agentd.cli.session_{module}"))[function]
    return found


def _alone(context: typer.Context, root: options.Root = None) -> None:
    """Sessions: list, search, show, resume, fork, rename, tag, archive, delete …"""
    if context.invoked_subcommand is None:
        _function("list")(root=root)
