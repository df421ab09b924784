"""``agentd serve``: the process around the daemon. Detaches, takes the lock before anything else, tells who waits.

What is heavy is imported only once the lock is ours.
"""

# Paths are str here: as in agentd/paths.py.
# ruff: noqa: PTH103, PTH109, PTH112

import gc
import os
import sys
import time
from contextlib import suppress
from typing import NoReturn

from agentd import __version__, launch, paths
from agentd.server.lock import Held, Lock, read_note

USAGE = """usage: agentd serve [--root DIR] [--idle-minutes N]

The daemon of one workspace root, in the foreground. Clients start one by themselves.
  --root DIR        the root (default: found from the current directory)
  --idle-minutes N  end after so long with nobody attached and no turn (default: the setting idle_minutes, 10)
"""

LEAVING_SECONDS = 20.0
"""How long a daemon that holds the lock and does not listen is given to save its turns and be gone."""


class Options:
    """The arguments. ``--detach`` and ``--ready-fd`` are for ``launch``."""

    def __init__(self, arguments: list[str]) -> None:
        """Raises ``ValueError`` with words for people."""
        self.root: str | None = None
        self.idle_minutes: float | None = None
        self.detach = False
        self.ready_fd: int | None = None
        rest = iter(arguments)
        for argument in rest:
            name, equals, value = argument.partition("=")
            if name == "--detach":
                self.detach = True
                continue
            if name not in ("--root", "--idle-minutes", "--ready-fd"):
                raise ValueError("" if name in ("-h", "--help") else f"unknown argument {argument}")
            value = value if equals else next(rest, "")
            if name == "--root" and value:
                self.root = value
            elif name == "--idle-minutes" and _positive(value):
                self.idle_minutes = float(value)
            elif name == "--ready-fd" and value.isdigit():
                self.ready_fd = int(value)
            else:
                raise ValueError(f"{name}: {value or 'a value'} is missing or makes no sense")


class Ready:
    """Who waits for the daemon: the starter at the other end of a pipe, or a person at the terminal."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def tell(self, words: str) -> None:
        """Once; a starter that is gone is no trouble."""
        if self._fd is None:
            return
        with suppress(OSError):
            os.write(self._fd, words.replace("\n", " ").encode("utf-8", "replace")[:4000] + b"\n")
        os.close(self._fd)
        self._fd = None


def main(arguments: list[str]) -> NoReturn:
    """Serve until told to stop, or idle; then end the process."""
    try:
        options = Options(arguments)
    except ValueError as wrong:
        if not str(wrong):  # help is what was asked for
            sys.stdout.write(USAGE)
            sys.exit(0)
        sys.stderr.write(f"agentd serve: {wrong}\n{USAGE}")
        sys.exit(2)
    if options.detach:
        _detach(options.ready_fd)
    os.umask(0o077)
    ready = Ready(options.ready_fd)
    try:
        code = _serve(options, ready)
    except OSError as error:
        code = _failed(ready, f"{error.filename or 'agentd'}: {error.strerror}")
    sys.stderr.flush()
    sys.exit(code)


def _serve(options: Options, ready: Ready) -> int:
    root = os.path.realpath(options.root) if options.root else paths.find_root(os.getcwd())
    if not os.path.isdir(root):
        return _failed(ready, f"{root} is not a directory")
    if problem := paths.home_problem(os.environ):
        return _failed(ready, problem)
    data = paths.data_dir(os.environ)
    project = paths.project_dir(data, root)
    os.makedirs(project, 0o700, exist_ok=True)
    # No file system is to be pinned by a process that nobody sees.
    os.chdir(data)
    lock = _take(project)
    if lock is None:
        ready.tell("running")
        note = read_note(paths.lock_path(project))
        sys.stderr.write(f"agentd: a daemon serves {root} already (process {note.get('pid')})\n")
        return 1
    before = read_note(paths.lock_path(project)).get("socket")
    # Whatever the last holder wrote is no longer true.
    lock.note({"version": __version__, "pid": os.getpid()})

    # What is imported stays: to look for garbage in it every 700 objects is a tenth of the start.
    gc.set_threshold(20_000, 10, 1000)
    from agentd.server import daemon, listener, logs
    from agentd.server.assembly import assemble

    if isinstance(before, str):
        listener.tidy(before)
    logs.set_up(paths.log_path(project), detached=options.detach)
    return daemon.run(
        root,
        data=data,
        lock=lock,
        ready=ready.tell,
        idle_minutes=options.idle_minutes,
        assemble=assemble,
    )


def _take(project: str) -> Lock | None:
    """The lock; None when another daemon serves. One that is just leaving is waited for."""
    path = paths.lock_path(project)
    until = time.monotonic() + LEAVING_SECONDS
    while True:
        try:
            return Lock(path)
        except Held:
            if launch.answers(project):
                return None
            if time.monotonic() > until:
                raise OSError(0, "another daemon holds this lock and does not answer; end it first", path) from None
            # The one place that polls: no event tells both that a lock was let go and that a socket came back.
            time.sleep(0.05)


def _failed(ready: Ready, words: str) -> int:
    ready.tell(words)
    sys.stderr.write(f"agentd: {words}\n")
    return 1


def _detach(ready_fd: int | None) -> None:
    """A child of nobody, in a session of its own, with no file of the starter's but the log and the pipe."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(3 if ready_fd is None else ready_fd + 1, 65536)


def _positive(value: str) -> bool:
    try:
        return float(value) > 0
    except ValueError:
        return False
