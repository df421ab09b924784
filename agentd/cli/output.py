"""The one module that writes to the terminal.

stdout is for data and replies, so that it can be piped; notes and errors go to stderr. Rich is imported only where it
draws: a list or a single line does without it.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "blue": "34"}
COLOURS = frozenset({"red", "green", "yellow", "cyan", "blue"})
_NO_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def clean(text: str) -> str:
    """Without control characters: what a model or a file says must not drive the terminal."""
    return text.translate(_NO_CONTROLS)


def one_line(text: str) -> str:
    """Clean, and its white space single spaces."""
    return " ".join(clean(text).split())


def is_terminal(stream: IO[Any]) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def can_draw(stream: IO[Any] | None = None) -> bool:
    """A terminal whose cursor can be moved."""
    return is_terminal(stream or sys.stdout) and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def has_colour(stream: IO[Any]) -> bool:
    return can_draw(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, *names: str, stream: IO[Any] | None = None) -> str:
    """The text with these styles, where the terminal has them; without colours under NO_COLOR."""
    target = stream or sys.stdout
    if not can_draw(target):
        return text
    codes = [STYLES[name] for name in names if name not in COLOURS or has_colour(target)]
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text


class Unwritable(Exception):
    """stdout takes no more (a full disk): told on stderr, exit code 1."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"Cannot write to standard output: {error.strerror}")


@contextmanager
def _writing() -> Iterator[None]:
    """A reader that has left (BrokenPipeError) is another matter, and no error to tell of."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(error) from None


def write(text: str) -> None:
    """To stdout as it is, and out at once."""
    with _writing():
        sys.stdout.write(text)
        sys.stdout.flush()


def flush() -> None:
    """What others (the help) have written."""
    with _writing():
        sys.stdout.flush()


def copy(file: IO[bytes]) -> None:
    """All of the file to stdout, byte for byte."""
    with _writing():
        sys.stdout.flush()
        while piece := file.read(1 << 20):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def line(text: str = "") -> None:
    write(text + "\n")


def fact(label: str, value: str, *names: str) -> None:
    """``Label: value``, broken between words where the terminal is narrow."""
    text = wrapped(f"{label}: {value}", sys.stdout, "  ")
    line(styled(f"{label}:", *(names or ("dim",))) + text.removeprefix(f"{label}:"))


def data(value: Mapping[str, Any]) -> None:
    """One JSON document."""
    indent = 2 if is_terminal(sys.stdout) else None
    line(json.dumps(value, ensure_ascii=False, indent=indent))


def note(text: str) -> None:
    """Something that is not the answer: to stderr."""
    sys.stderr.write(styled(wrapped(clean(text), sys.stderr), "dim", stream=sys.stderr) + "\n")
    sys.stderr.flush()


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; anything else is a no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().casefold() in ("y", "yes")


def error(message: str, hint: str | None = None) -> None:
    """What happened, and in a second line what to do."""
    told = wrapped(f"Error: {clean(message)}", sys.stderr).removeprefix("Error:")
    sys.stderr.write(styled("Error:", "bold", "red", stream=sys.stderr) + told + "\n")
    if hint:
        sys.stderr.write(wrapped(clean(hint), sys.stderr) + "\n")
    sys.stderr.flush()


def wrapped(text: str, stream: IO[Any] | None = None, indent: str = "") -> str:
    """Broken between words where the terminal would break it within one."""
    columns = width(stream)
    if columns is None or (len(text) < columns and "\n" not in text):
        return text
    import textwrap

    wrapper = textwrap.TextWrapper(
        max(20, columns - 1), break_long_words=False, break_on_hyphens=False, subsequent_indent=indent
    )
    return "\n".join(wrapper.fill(part) for part in text.split("\n"))


def width(stream: IO[Any] | None = None) -> int | None:
    """The terminal's columns; None when there is no terminal, and nothing needs to fit."""
    target = stream or sys.stdout
    if not is_terminal(target):
        return None
    wished = os.environ.get("COLUMNS", "")
    if wished.isdecimal() and int(wished) > 0:
        return int(wished)
    try:
        return os.get_terminal_size(target.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def console(*, stderr: bool = False) -> "Console":
    """Rich's console, without its guesses about what is a number or a path worth colouring."""
    from rich.console import Console
    from rich.theme import Theme

    # The terminal's own background, which Rich's black is not everywhere.
    theme = Theme({"markdown.code": "bold cyan", "markdown.table.header": "bold", "markdown.table.border": "dim"})
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, theme=theme)


def stand_in_for_closed() -> None:
    """A standard stream that the shell closed (``>&-``) is None in Python: what is said there goes nowhere."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def survive_encoding() -> None:
    """A locale that can't say a character gets a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a test or an embedder may have put something else there
        if reconfigure is not None:
            reconfigure(errors="replace")


def close_quietly() -> None:
    """After a broken pipe: whatever Python still wants to flush goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
