"""``agentd init``: this folder becomes a project of its own."""

import os
from pathlib import Path
from typing import Annotated

import typer

from agentd import paths
from agentd.cli import output
from agentd.cli.failing import FAILED, Stop, WrongUse


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", show_default=False)] = None,
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="The same.", show_default=False)] = None,
) -> None:
    """Make a folder a project of its own.

    Its sessions and its daemon are apart from those of the folder above.
    """
    from agentd.folder import make_project

    chosen = folder or root or Path.cwd()
    if not chosen.is_dir():
        raise WrongUse(f"'{chosen}' is not a directory")
    path = Path(os.path.realpath(chosen))
    before = paths.find_root(str(path))
    known = (path / ".agentd" / "project-id").exists()
    try:
        make_project(path, _known_as(path))
    except OSError as error:
        output.error(f"{path}/.agentd cannot be made: {error.strerror}")
        raise Stop(FAILED) from None
    if known:
        output.line(f"{path} is a project already.")
        return
    output.line(f"{path} is a project of its own now (.agentd/project-id).")
    if before != str(path):
        output.note(f"The sessions so far are those of {before}, and stay there.")


def _known_as(root: Path) -> str | None:
    """What this place was known by before it lost its id: its sessions are its own still."""
    from agentd.store.files import Files
    from agentd.store.identity import read_project

    try:
        project = paths.project_dir(paths.data_dir(os.environ), str(root))
        return read_project(Files(), Path(project)).project_id
    except (OSError, ValueError):
        return None
