"""``agentd session``: the group, and ``agentd sessions`` for the list alone."""

import typer

from agentd.cli import (
    options,
    session_change,
    session_delete,
    session_documents,
    session_events,
    session_export,
    session_fork,
    session_list,
    session_search,
    session_show,
    session_stats,
    session_turns,
)

TAKES_MINUS = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""``-TAG`` is no option."""


def add_to(app: typer.Typer) -> None:
    app.add_typer(_group("Sessions: list, search, show, resume, fork, rename, delete …"), name="session")
    app.command("search")(session_search.search)
    app.add_typer(_group("The same as 'session'; alone: the list."), name="sessions", hidden=True)


def _group(help_text: str) -> typer.Typer:
    group = typer.Typer(help=help_text, invoke_without_command=True, rich_markup_mode=None)
    group.callback()(_alone)
    group.command("list")(session_list.list_sessions)
    group.command("history")(session_list.history)
    group.command("background")(session_list.background)
    group.command("search")(session_search.search)
    group.command("show")(session_show.show)
    group.command("resume")(session_fork.resume)
    group.command("retry")(session_fork.retry)
    group.command("interrupt")(session_turns.interrupt)
    group.command("detach")(session_turns.detach)
    group.command("seen")(session_turns.seen)
    group.command("fork")(session_fork.fork)
    group.command("new")(session_change.new)
    group.command("rename")(session_change.rename)
    group.command("name", hidden=True)(session_change.rename)
    group.command("tag", context_settings=TAKES_MINUS)(session_change.tag)
    group.command("describe")(session_change.describe)
    group.command("update")(session_change.update)
    group.command("archive")(session_change.archive)
    group.command("export")(session_export.export)
    group.command("restore")(session_change.restore)
    group.command("clear")(session_change.clear)
    group.command("compact")(session_turns.compact)
    group.command("delete")(session_delete.delete)
    group.command("cleanup")(session_delete.cleanup)
    group.command("stats")(session_stats.stats)
    group.command("documents")(session_documents.documents)
    group.command("events")(session_events.events)
    group.command("blob", hidden=True)(session_events.blob)
    return group


def _alone(context: typer.Context, root: options.Root = None) -> None:
    """Sessions: list, search, show, resume, fork, rename, tag, archive, delete …"""
    if context.invoked_subcommand is None:
        session_list.list_sessions(root=root)
