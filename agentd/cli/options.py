"""The options that several commands share, and the place that they name."""

import os
from pathlib import Path
from typing import Annotated

import typer

from agentd.cli.failing import WrongUse
from agentd.client.dial import Address


def known_sessions(incomplete: str) -> list[tuple[str, str]]:
    """Names and short ids for a shell's completion, if a daemon runs: completing starts none, and fails in silence."""
    from agentd.cli.completing import sessions

    return sessions(incomplete)


Root = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="The project's root itself (default: found from the current directory).",
                 show_default=False),
]  # fmt: skip
WorkingDir = Annotated[
    Path | None,
    typer.Option("--working-dir", metavar="DIR", help="Work as if started in this folder.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]
SessionId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The session: its id, the beginning of it, or its name.", show_default=False,
                   autocompletion=known_sessions),
]  # fmt: skip


def check_store() -> None:
    """Raises WrongUse when AGENTD_HOME names what can be no store: better here than by a daemon that does not start."""
    chosen = os.environ.get("AGENTD_HOME", "")
    if not chosen:
        return
    path = Path(chosen).expanduser()
    if not path.is_absolute():
        raise WrongUse(f"AGENTD_HOME is '{chosen}': it would be another store in each folder",
                       f"Give an absolute path: AGENTD_HOME='{path.absolute()}'")  # fmt: skip
    existing = next(folder for folder in (path, *path.parents) if folder.exists() or folder.is_symlink())
    if not existing.is_dir():
        raise WrongUse(f"AGENTD_HOME is '{chosen}', and {existing} is not a directory",
                       "Name a directory, or leave it unset.")  # fmt: skip


def address(root: Path | None = None, working_dir: Path | None = None) -> Address:
    """The daemon that these options name."""
    check_store()
    for option, folder in (("--root", root), ("--working-dir", working_dir)):
        if folder is not None and not folder.expanduser().is_dir():
            raise WrongUse(f"{option}: '{folder}' is not a directory")
    if root is not None:
        root = root.expanduser()
    try:
        if working_dir is not None:
            os.chdir(working_dir.expanduser())  # where the daemon is told that this client works
        elif root is None:
            Path.cwd()
    except FileNotFoundError:
        raise WrongUse("The current directory no longer exists", "Go to another one, or give --root DIR.") from None
    except PermissionError:
        raise WrongUse(f"--working-dir: '{working_dir}' may not be entered") from None
    return Address(root)
