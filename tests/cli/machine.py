"""A machine to type on: a home, a scripted model, the real ``agentd`` as a process, with pipes or on a terminal."""

import codecs
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from agentd import paths
from agentd.server.lock import read_note
from tests.support.home import KEY, Home, agentd, make_home
from tests.support.messages_api import ThreadedMessagesApi
from tests.support.messages_api.script import Script

PATIENCE = 30
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")
ON_TERMINAL = "import fcntl, os, sys, termios as t; fcntl.ioctl(0, t.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"

MAKE_SESSIONS = """
import asyncio, sys
import agentd

async def main():
    async with agentd.connect() as client:
        for number in range(int(sys.argv[1])):
            await client.new(f"more {number}")

asyncio.run(main())
"""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """A command on a terminal of its own, and what a person sees and types there."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: str, size: tuple[int, int]) -> None:
        master, slave = os.openpty()
        columns, rows = size
        termios.tcsetwinsize(slave, (rows, columns))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ON_TERMINAL, *command],
            stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._master = master
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0
        self.raw = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with suppress(OSError):
            os.close(self._master)

    @property
    def seen(self) -> str:
        """All that was shown so far, as text."""
        return CONTROLS.sub("", self.raw)

    def sees(self, pattern: str) -> str:
        """Wait until this is shown, after what was waited for before; the text up to and with it."""
        wanted = re.compile(pattern, re.DOTALL)
        while (found := wanted.search(self.seen, self._at)) is None:
            assert self._read(), f"{pattern!r} did not come after {self.seen[self._at :]!r}"
        text = self.seen[self._at : found.end()]
        self._at = found.end()
        return text

    def _read(self) -> bool:
        """Some more of what is shown; False at the end, and when nothing comes."""
        if not select.select([self._master], [], [], PATIENCE)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody holds the terminal any more
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def enters(self, text: str) -> None:
        """A line and Enter."""
        self.types(text + "\r")

    def presses(self, key: str) -> None:
        """Control and this key."""
        self.types(chr(ord(key) & 0x1F))

    def ends(self) -> int:
        """Read on to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def replayed(self, size: tuple[int, int]) -> list[str]:
        """The lines that a terminal of this size shows at the end, with those that were scrolled off it."""
        return replay(self.raw, size)

    def left(self) -> str:
        """All that was seen, once it has ended."""
        self.ends()
        return self.seen


def replay(raw: str, size: tuple[int, int]) -> list[str]:
    """As a terminal would: line ends, cursor up, and erase down are all that a reply may use; other controls are
    styles. A line that is too long would be wrapped, and there is none."""
    columns, rows = size
    lines, at = [""], 0
    for part in re.split(r"(\x1b\[\d+A|\x1b\[J|\r|\n)", raw):
        if part.endswith("A") and part.startswith("\x1b["):
            assert int(part[2:-1]) < rows, "what has been scrolled away can't be drawn again"
            at -= int(part[2:-1])
        elif part == "\x1b[J":
            lines[at:] = [""]
        elif part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part != "\r":
            lines[at] += CONTROLS.sub("", part)
            assert len(lines[at]) <= columns, lines[at]
    return [line.rstrip() for line in lines]


@dataclass
class Machine:
    """``api`` is the model's endpoint; ``variables`` are the shell's."""

    home: Home
    api: ThreadedMessagesApi | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        model = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.api.url} if self.api else {}
        return self.home.environment(**{**model, "PROMPT_TOOLKIT_NO_CPR": "1", **self.variables})

    def run(self, *arguments: str, stdin: str | None = None, cwd: str | None = None) -> Ran:
        """Run ``agentd`` with pipes, to its end."""
        source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(
            agentd(*arguments), **source, capture_output=True, text=True, env=self.environment(),
            cwd=cwd or str(self.home.root), timeout=PATIENCE * 2, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str | None = None) -> Ran:
        """The same, and it must work."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done
        return done

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """``agentd`` with pipes, while it runs."""
        process = subprocess.Popen(
            agentd(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment(), cwd=self.home.root,
        )  # fmt: skip
        try:
            with process:
                yield process
        finally:
            if process.poll() is None:
                process.kill()

    def terminal(self, *arguments: str, size: tuple[int, int] = (80, 24), term: str = "xterm-256color") -> Terminal:
        """``agentd`` on a terminal."""
        environment = {**self.environment(), "TERM": term}
        return Terminal(agentd(*arguments), environment, str(self.home.root), size)

    def make_sessions(self, count: int) -> None:
        """So many sessions without a prompt, by one process."""
        subprocess.run([sys.executable, "-P", "-c", MAKE_SESSIONS, str(count)], env=self.environment(),
                       cwd=self.home.root, timeout=PATIENCE * 2, check=True)  # fmt: skip

    def first_session(self) -> dict[str, Any]:
        """The session used last."""
        session: dict[str, Any] = self.ok("session", "list", "--json").json["sessions"][0]
        return session

    def kill(self) -> None:
        """Kill the daemon of the project, as a crash would."""
        (project,) = self.home.data.glob("projects/*")
        os.kill(_daemon(paths.lock_path(str(project))), signal.SIGKILL)

    def stop(self) -> None:
        """Stop the daemons that were started, and wait until they are gone."""
        for project in self.home.data.glob("projects/*"):
            pid = read_note(paths.lock_path(str(project))).get("pid")
            if isinstance(pid, int) and _holds(paths.lock_path(str(project))):
                _end(pid)


def _daemon(lock: str) -> int:
    """The process that holds the lock."""
    pid = read_note(lock).get("pid")
    assert isinstance(pid, int)
    assert _holds(lock)
    return pid


def _holds(lock: str) -> bool:
    """Whether a daemon holds the lock: a pid alone says nothing."""
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    ended = select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)
    assert ended, "the daemon did not end"


@contextmanager
def machine_of(script: Script | None) -> Iterator[Machine]:
    """A machine whose model says this (None: there is no model and no key); its daemons are stopped at the end."""
    with ExitStack() as stack:
        home = stack.enter_context(make_home())
        api = stack.enter_context(ThreadedMessagesApi(script)) if script is not None else None
        machine = Machine(home, api)
        stack.callback(machine.stop)
        yield machine
