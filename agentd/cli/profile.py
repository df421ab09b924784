"""``agentd profile list``; ``agentd profiles`` is the list."""

from typing import Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask
from agentd.cli.output import one_line
from agentd.cli.table import aligned, cells, fitted

LONGEST = 24


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Profiles: the agents that --profile names.", invoke_without_command=True,
                        rich_markup_mode=None)  # fmt: skip
    group.callback()(_alone)
    group.command("list")(list_profiles)
    app.add_typer(group, name="profile")
    app.command("profiles", hidden=True)(list_profiles)


def _alone(context: typer.Context, root: options.Root = None) -> None:
    """Profiles: the agents that --profile names."""
    if context.invoked_subcommand is None:
        list_profiles(root=root)


def list_profiles(as_json: options.Json = False, root: options.Root = None) -> None:
    """List the profiles that a session can have: your agents/*.md."""
    answer = ask(options.address(root), "agentd/profiles", {})
    if as_json:
        output.data(answer)
        return
    for line in lines(answer.get("profiles", []), output.width()):
        output.line(line)
    if not answer.get("profiles"):
        from agentd.config import config_dir

        folder = config_dir() / "agents"
        output.note(f"No profiles yet. One is a file NAME.md in {folder}: its text is what the agent is told; "
                    "description, model, tools and mode stand above it, between two lines of ---.")  # fmt: skip
    for problem in answer.get("problems", []):
        output.note(str(problem))


def lines(profiles: list[dict[str, Any]], width: int | None) -> list[str]:
    """Name, model and mode, description."""
    size = min(LONGEST, max((cells(str(profile["name"])) for profile in profiles), default=0))
    shown = []
    for profile in profiles:
        name = aligned(one_line(str(profile["name"])), size, False)
        traits = ", ".join(one_line(str(profile[key])) for key in ("model", "mode") if profile.get(key))
        told = one_line(str(profile.get("description") or ""))
        text = "  ".join(part for part in (name, told, f"({traits})" if traits else "") if part)
        shown.append(text if width is None else fitted(text, width))
    return shown
