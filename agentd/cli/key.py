"""``agentd key set | status | unset``: the API key, which is read from a prompt or a pipe and never printed."""

import asyncio
import os
import sys
from pathlib import Path

import typer

from agentd import config, paths
from agentd.cli import options, output
from agentd.cli.asking import ask
from agentd.cli.failing import FAILED, Stop, WrongUse

PROVIDER = "anthropic"
TAKES_NONE = {"ignore_unknown_options": True, "allow_extra_args": True}
"""A key that begins with a dash is an argument, too, and must not be repeated in an error about options."""


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="The API key for Claude: set, status, unset.", invoke_without_command=True,
                        rich_markup_mode=None)  # fmt: skip
    group.callback()(_alone)
    group.command("set", context_settings=TAKES_NONE)(set_key)
    group.command("status")(status)
    group.command("unset")(unset)
    app.add_typer(group, name="key")


def _alone(context: typer.Context) -> None:
    """The API key for Claude: set, status, unset. Alone: status."""
    if context.invoked_subcommand is None:
        status()


def set_key(context: typer.Context, as_json: options.Json = False, root: options.Root = None) -> None:
    """Keep the API key in the system's keyring, else in a file that only you can read.

    It is asked for without echo, or read from standard input: agentd key set < key.txt
    """
    if context.args:
        raise WrongUse(
            "A key is never taken as an argument: it would be in the shell's history, and every process could read it",
            "Run 'agentd key set' and paste it (that one should be replaced: it may be in the history already).",
        )
    place = options.address(root)
    key = _read()
    if not key:
        raise WrongUse("No key was given, nothing is changed", "'agentd key unset' forgets a kept key.")
    ask(place, "agentd/credentials/set", {"provider": PROVIDER, "key": key})
    kept, _ = source(ignoring_environment=True)
    if as_json:
        output.data({"provider": PROVIDER, "kept": kept})
    else:
        output.line(f"The key is kept in {kept}." if kept else "The key is kept.")
    if os.environ.get("ANTHROPIC_API_KEY"):
        output.note("ANTHROPIC_API_KEY is set as well, and is used instead where it is set.")


def status(as_json: options.Json = False, root: options.Root = None) -> None:
    """Say where the key comes from; never the key."""
    options.address(root)
    found, problem = source()
    if as_json:
        output.data({"provider": PROVIDER, "source": found, "problem": problem})
    elif problem:
        output.error(problem, "See 'agentd doctor'.")
    elif found:
        output.line(f"Key for Claude: from {found}")
    else:
        output.line("No key for Claude. Set one with 'agentd key set' or ANTHROPIC_API_KEY.")
    if not found:
        raise Stop(FAILED)


def unset(as_json: options.Json = False, root: options.Root = None) -> None:
    """Forget the kept key."""
    kept, _ = source(ignoring_environment=True)
    ask(options.address(root), "agentd/credentials/set", {"provider": PROVIDER, "key": ""})
    if as_json:
        output.data({"provider": PROVIDER, "forgotten": kept})
    else:
        output.line(f"The key in {kept} is forgotten." if kept else "No key was kept.")
    if os.environ.get("ANTHROPIC_API_KEY"):
        output.note("ANTHROPIC_API_KEY is still set in this shell.")


def source(*, ignoring_environment: bool = False) -> tuple[str | None, str | None]:
    """Where the key would come from now, and what is wrong with it, both in words."""
    from agentd.errors import AgentdError
    from agentd.models.credentials import Credentials

    settings, _ = config.load()
    credentials = Credentials(settings, Path(paths.data_dir(os.environ)))
    try:
        return asyncio.run(credentials.status({} if ignoring_environment else dict(os.environ))), None
    except AgentdError as error:
        return None, error.message


def _read() -> str:
    if not output.is_terminal(sys.stdin):
        return sys.stdin.readline().strip()
    import getpass

    return getpass.getpass("API key for Claude (not shown): ").strip()
