"""``agentd lsp``: what editors start. Finds or starts the daemon, then copies bytes and parses nothing.

Imports next to nothing: an editor waits for it. One thread for each direction, blocking: whoever does not read is
waited for, in both directions, and nothing is held beyond one read. stdout carries LSP and nothing else.
"""

# Paths are str here: see agentd/paths.py.
# ruff: noqa: PTH103, PTH112

import os
import sys
from _signal import SIG_DFL, SIGINT, signal  # type: ignore[import-not-found]
from _socket import SHUT_WR
from _thread import start_new_thread

from agentd import launch, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as RawSocket  # noqa: N812
    from typing import NoReturn

_CHUNK = 65536

USAGE = """usage: agentd lsp [--stdio] [--root DIR | --folder DIR | --scratch]

Speaks LSP on stdin and stdout, on behalf of the project's daemon, which is started if there is none.
  --folder DIR  the folder that is open in the editor; its project is found from it (default: the current directory)
  --root DIR    exactly this directory, without a search
  --scratch     no folder is open
"""


class WrongUse(Exception):
    """Arguments that make no sense."""


def main(arguments: list[str]) -> "NoReturn":
    """Run the bridge and end the process."""
    # The default, because Ctrl-C is no news in here and a traceback is none to the editor.
    signal(SIGINT, SIG_DFL)
    try:
        root = _root(arguments)
        attached = launch.attach(root, os.environ)
    except WrongUse as wrong:
        if not str(wrong):  # help is what was asked for
            os.write(1, USAGE.encode())
            _end(0, "")
        _end(2, f"agentd lsp: {wrong}\n{USAGE}")
    except launch.LaunchFailed as failed:
        _end(1, f"agentd: {failed}\n")
    assert attached is not None
    raw = attached.raw
    raw.settimeout(None)
    start_new_thread(_upwards, (raw,))
    _end(_downwards(raw), "")


def _root(arguments: list[str]) -> str:
    folder, exact, scratch = "", "", False
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in ("--root", "--folder"):
            value = value if equals else next(rest, "")
            if not value:
                raise WrongUse(f"{name} needs a directory")
            if name == "--root":
                exact = value
            else:
                folder = value
        elif argument == "--scratch":
            scratch = True
        elif argument in ("-h", "--help"):
            raise WrongUse
        elif argument != "--stdio":
            raise WrongUse(f"unknown argument {argument}")
    if scratch:
        root = paths.scratch_root(paths.data_dir(os.environ))
        try:
            os.makedirs(root, 0o700, exist_ok=True)
        except OSError as error:
            raise launch.LaunchFailed(f"{root}: {error.strerror}") from None
        return root
    if exact:
        return os.path.realpath(exact)
    chosen = folder or "."
    if not os.path.isdir(chosen):
        raise launch.LaunchFailed(f"{chosen} is not a directory")
    return paths.find_root(chosen)


def _upwards(raw: "RawSocket") -> None:
    """stdin to the daemon. At its end the daemon is told so, and may still answer."""
    try:
        while data := os.read(0, _CHUNK):
            raw.sendall(data)
    except OSError:
        pass
    try:
        raw.shutdown(SHUT_WR)
    except OSError:  # gone, and with it the need
        return


def _downwards(raw: "RawSocket") -> int:
    """The daemon to stdout, until the daemon closes or the editor is gone."""
    try:
        while data := raw.recv(_CHUNK):
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]
    except BrokenPipeError:
        return 0
    except OSError as error:
        sys.stderr.write(f"agentd: the connection to the daemon was lost: {error.strerror}\n")
        return 1
    return 0


def _end(code: int, words: str) -> "NoReturn":
    """Without the interpreter's tidying: the other thread may be within a read that never ends."""
    if words:
        try:
            sys.stderr.write(words)
            sys.stderr.flush()
        except OSError:
            pass
    os._exit(code)
