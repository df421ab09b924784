"""The command line's entry: which words are a command and which a prompt, and how a command ends.

Only the module of the command that was named is imported; all of them for help and completion.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agentd.cli import output, words
from agentd.cli.failing import FAILED, INTERRUPTED, WRONG_USE, Stop, WrongUse, explain
from agentd.errors import AgentdError

GROUPS: dict[str, str] = {
    "chat": "talk", "continue": "talk", "resume": "talk", "run": "talk",
    "session": "session", "sessions": "session", "search": "session",
    "model": "model", "models": "model", "profile": "profile", "profiles": "profile", "key": "key",
    "status": "daemon", "stop": "daemon", "logs": "daemon", "init": "project", "doctor": "doctor",
    "lsp": "editors", "serve": "editors",
}  # fmt: skip
"""Each command and the module of ``agentd.cli`` that adds it, in the order of the help."""

BARE: dict[tuple[str, ...], tuple[str, str]] = {
    ("session", "list"): ("session_list", "list_sessions"),
    ("sessions",): ("session_list", "list_sessions"),
    ("status",): ("daemon", "status"),
}
"""Commands that are typed again and again: without arguments, or with --json alone, there is nothing to parse, and
Typer's parsing of any value imports pydantic, which would double the time they take."""

COMPLETION = "_AGENTD_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and leave with its exit code."""
    output.stand_in_for_closed()
    output.survive_encoding()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        output.flush()
    except output.Unwritable as error:
        output.close_quietly()
        output.error(str(error))
        code = FAILED
    except BrokenPipeError:  # whoever read our output has had enough
        output.close_quietly()
        code = FAILED
    sys.exit(code)


def _run(given: list[str]) -> int:
    try:
        return _dispatch(given)
    except Stop as stop:
        return stop.code
    except WrongUse as wrong:
        output.error(wrong.message, wrong.hint)
        return WRONG_USE
    except AgentdError as error:
        explanation = explain(error)
        output.error(explanation.message, explanation.hint)
        return explanation.code
    except (KeyboardInterrupt, typer.Abort):
        output.note("\nInterrupted.")
        return INTERRUPTED
    except typer.TyperException as error:
        told = words.KEY_REFUSED if words.may_hold_key(given) else error.format_message().rstrip(".")
        output.error(told, words.usage_hint(error, given))
        return WRONG_USE
    except (BrokenPipeError, output.Unwritable):
        raise
    except OSError as error:
        if error.filename is None and error.errno == errno.ENOSPC:  # Typer printed its help
            raise output.Unwritable(error) from None
        return _our_mistake(error)
    except Exception as error:  # a mistake of ours: told in a line, its traceback kept for whoever mends it
        return _our_mistake(error)


def _our_mistake(error: Exception) -> int:
    output.error(f"agentd made a mistake: {type(error).__name__}: {error}", _kept_traceback())
    return FAILED


def _kept_traceback() -> str:
    """Writes the traceback down; says where."""
    import traceback

    from agentd import paths

    place = Path(paths.data_dir(os.environ)) / "cli-error.log"
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"Its details could not be written to {place}: {error.strerror}"
    return f"Your sessions are not touched. Please report it, with {place}"


def _dispatch(given: list[str]) -> int:
    completing = COMPLETION in os.environ
    if not completing and _bare(given):
        return 0
    arguments = given if completing else words.as_command(given, tuple(GROUPS))
    named = arguments[0] if arguments else ""
    following = "search" if named == "search" else next(iter(arguments[1:]), None)
    result = build(named if named in GROUPS and not completing else None, following)(
        args=arguments, prog_name="agentd", complete_var=COMPLETION, standalone_mode=False
    )
    return result if isinstance(result, int) else 0


def _bare(given: list[str]) -> bool:
    """Run a command that was called without arguments; False: it is none of those, or there is something to parse."""
    as_json = given[-1:] == ["--json"]
    place = BARE.get(tuple(given[:-1] if as_json else given))
    if place is None:
        return False
    module, function = place
    vars(importlib.import_module(f"agentd.cli.{module}"))[function](as_json=as_json)
    return True


def build(only: str | None = None, following: str | None = None) -> typer.Typer:
    """The Typer application, whole or with the module of one command; of a group's only what ``following`` names."""
    app = typer.Typer(
        name="agentd",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=False,
    )
    app.callback()(agentd)
    modules = dict.fromkeys([GROUPS[only]] if only else GROUPS.values())
    for module in modules:
        add_to = importlib.import_module(f"agentd.cli.{module}").add_to
        add_to(app, following) if only and module == "session" else add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from agentd import __version__
        from agentd.protocol import PROTOCOL_VERSION

        output.line(f"agentd-lsp {__version__} protocol {PROTOCOL_VERSION}")
        raise typer.Exit


def agentd(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Chat sessions that outlive the editor: any number of editors and terminals, live on the same session.

    'agentd' alone chats interactively; 'agentd "fix the test"' asks once and prints the reply. A chat goes on when
    its terminal is closed; 'agentd continue' takes it up again.
    """
