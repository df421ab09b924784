"""``agentd session``: the group, and ``agentd sessions`` for the list alone."""

import typer

from agentd.cli import options, session_change, session_fork, session_list


def add_to(app: typer.Typer) -> None:
    app.add_typer(_group("Sessions: list, show, resume, fork, rename, archive …"), name="session")
    app.add_typer(_group("The same as 'session'; alone: the list."), name="sessions", hidden=True)


def _group(help_text: str) -> typer.Typer:
    group = typer.Typer(help=help_text, invoke_without_command=True, rich_markup_mode=None)
    group.callback()(_alone)
    group.command("list")(session_list.list_sessions)
    group.command("show")(session_list.show)
    group.command("history")(session_list.history)
    group.command("resume")(session_fork.resume)
    group.command("fork")(session_fork.fork)
    group.command("retry")(session_fork.retry)
    group.command("new")(session_change.new)
    group.command("rename")(session_change.rename)
    group.command("name", hidden=True)(session_change.rename)
    group.command("archive")(session_change.archive)
    group.command("restore")(session_change.restore)
    group.command("clear")(session_change.clear)
    group.command("update")(session_change.update)
    return group


def _alone(context: typer.Context, root: options.Root = None) -> None:
    """Sessions: list, show, resume, fork, rename, archive, restore, clear."""
    if context.invoked_subcommand is None:
        session_list.list_sessions(root=root)
