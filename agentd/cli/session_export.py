"""``agentd session export``: a session as one file, or on the standard output."""

import io
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import Stop, WrongUse
from agentd.client.dial import Address
from agentd.errors import TooLarge

Format = Literal["agentd", "json", "markdown", "html"]
STDOUT = "-"


def export(
    session: options.SessionId,
    kind: Annotated[
        Format,
        typer.Option("--format", "-f", help="agentd: lossless, to be imported. json: to process. The others: to read."),
    ] = "agentd",
    target: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A file or a directory; - prints. Default: a file in the current directory, named after the "
            "session; in a pipe: print.",
            show_default=False,
        ),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Without keys, tokens, home and workspace paths.", show_default=False)
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.", show_default=False)] = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Write a session to one file.

    The format 'agentd' holds everything, byte for byte: 'agentd session import FILE' makes the same session of it,
    here or on another machine. Whatever is there already is kept unless --force is given.
    """
    if target == "":
        raise WrongUse("--output needs a file, a directory or -", "agentd session export ID --output FILE")
    printed = target == STDOUT or (target is None and not as_json and not output.is_terminal(sys.stdout))
    if printed and as_json:
        raise WrongUse("--json tells about the file that was written: it cannot go with --output -",
                       "agentd session export ID --output FILE --json")  # fmt: skip
    path = None if printed else str(Path(target or ".").expanduser().absolute())
    wish = present(sessionId=session, format=kind, redact=redact, path=path, force=force)
    try:
        answer = ask(options.address(root), "agentd/session/export", wish)
    except TooLarge:
        if not printed:
            raise
        answer = _printed_by_file(options.address(root), wish)
        printed = False
    if as_json:
        output.data(answer)
        return
    if printed:
        output.copy(io.BytesIO(str(answer.get("content", "")).encode()))
    elif path is not None:
        output.line(f"Exported to {_written(answer)} ({_size(answer.get('bytes'))})")
    if redact:
        output.note(_removed(answer))


def _printed_by_file(place: Address, wish: Mapping[str, object]) -> dict[str, object]:
    """What is too large for an answer: the daemon writes it to a private file, which is gone whatever happens."""
    with tempfile.TemporaryDirectory(prefix="agentd-export-") as directory:
        path = Path(directory, "session")
        answer = ask(place, "agentd/session/export", {**wish, "path": str(path)})
        with path.open("rb") as file:
            output.copy(file)
    return answer


def _written(answer: dict[str, object]) -> str:
    from urllib.parse import unquote, urlsplit

    uri = answer.get("uri")
    if not isinstance(uri, str):
        raise Stop(1)
    path = Path(unquote(urlsplit(uri).path))
    here = Path.cwd()
    return output.one_line(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _removed(answer: dict[str, object]) -> str:
    found = answer.get("redacted")
    kinds = [given(one) for one in found] if isinstance(found, list) else []
    if not kinds:
        return "Nothing had to be removed. Look at it all the same before you share it."
    said = ", ".join(f"{one.get('kind')} {one.get('count')}×" for one in kinds)
    return f"Removed: {said}. Look at it all the same before you share it."


def _size(size: object) -> str:
    if not isinstance(size, int):
        return "?"
    for unit, of in (("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= of:
            return f"{size / of:.1f} {unit}"
    return f"{size} bytes"
