"""Where things are measured: agentd as a user has it, in a home of its own. Daemons are ended by their ids."""

import os
import select
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agentd import paths
from agentd.server.lock import read_note
from tests.support.home import KEY, REPOSITORY, Home, make_home

PATIENCE = 30.0
TICK = 1000 / os.sysconf("SC_CLK_TCK")
"""Milliseconds: what the kernel counts a process's time in."""


@dataclass(frozen=True)
class Program:
    """``command`` is what an editor would be told to start; ``python`` the interpreter below it."""

    python: str
    command: tuple[str, ...]
    installed: bool


@contextmanager
def from_wheel() -> Iterator[Program]:
    """A wheel of this tree, installed into a virtual environment of its own. Its dependencies are this one's."""
    with tempfile.TemporaryDirectory(prefix="ad-wheel-") as directory:
        place = Path(directory)
        _quietly(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(place / "wheel"), str(REPOSITORY))
        _quietly(sys.executable, "-m", "venv", str(place / "venv"))
        (wheel,) = (place / "wheel").glob("agentd_lsp-*.whl")
        python = place / "venv" / "bin" / "python"
        _quietly(str(python), "-m", "pip", "install", "--no-deps", "--no-index", str(wheel))
        ours = sysconfig.get_path("purelib", vars={"base": str(place / "venv")})
        (Path(ours) / "zz-dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        yield Program(str(python), (str(place / "venv" / "bin" / "agentd"),), installed=True)


def from_source() -> Program:
    """This tree as it is, for a quick look."""
    return Program(sys.executable, (sys.executable, "-P", "-m", "agentd"), installed=False)


def _quietly(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}")


@dataclass
class Place:
    """One home with one project. ``key`` and ``url`` are what its clients' turns use."""

    program: Program
    home: Home
    url: str = ""
    closing: ExitStack = field(default_factory=ExitStack)
    _daemons: set[int] = field(default_factory=set)

    def environment(self) -> dict[str, str]:
        values = self.home.environment(**self.client_environment())
        # Both would make it another program than the installed one: without its byte code, or not from its wheel.
        del values["PYTHONDONTWRITEBYTECODE"]
        if self.program.installed:
            del values["PYTHONPATH"]
        return values

    def client_environment(self) -> dict[str, str]:
        """What a client says in its hello."""
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.url} if self.url else {}

    @property
    def note(self) -> Mapping[str, object]:
        return read_note(paths.lock_path(paths.project_dir(str(self.home.data), str(self.home.root))))

    @property
    def socket(self) -> str:
        return str(self.note["socket"])

    @property
    def pid(self) -> int:
        """The running daemon's process id. Asking for it makes that daemon ours to end."""
        pid = self.note["pid"]
        assert isinstance(pid, int)
        self._daemons.add(pid)
        return pid

    def start(self) -> int:
        """Start a daemon, as a client does, and wait until it listens."""
        ready, ours = os.pipe()
        command = [*self.program.command, "serve", "--root", str(self.home.root), "--detach", "--ready-fd", str(ours)]
        with open(self.home.base / "serve.log", "ab") as log:
            subprocess.run(command, env=self.environment(), pass_fds=[ours], stdout=log, stderr=log, check=True)
        os.close(ours)
        with os.fdopen(ready) as told:
            said = told.readline().strip()
        if said != "ready":
            raise RuntimeError(f"the daemon did not start: {said}\n{(self.home.base / 'serve.log').read_text()}")
        return self.pid

    def settle(self) -> None:
        """Wait until the daemon has done what it does by itself: the model's SDK is imported beside the first use."""
        before, quiet = -1.0, 0
        while quiet < 3:
            time.sleep(0.1)
            now = processor_time(self.pid)
            before, quiet = now, quiet + 1 if now == before else 0

    def quiet(self) -> None:
        """Wait until the daemon has done what the last answer left to be done, as its index: a few milliseconds."""
        before = -1.0
        while (now := busy(self.pid)) - before > 0.2:
            before = now
            time.sleep(0.02)

    def stop(self) -> None:
        """End every daemon that was started here, and wait until it is gone."""
        for pid in self._daemons:
            _end(pid)
        self._daemons.clear()


def processor_time(pid: int) -> float:
    """Milliseconds that the process has run for, in user and kernel, as the kernel counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def busy(pid: int) -> float:
    """Milliseconds that all threads of the process have run for, exactly."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e6


def _end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if select.select([descriptor], [], [], seconds)[0]:
                return
    finally:
        os.close(descriptor)


@contextmanager
def place(program: Program, url: str = "") -> Iterator[Place]:
    with make_home() as home:
        made = Place(program, home, url)
        with made.closing:
            made.closing.callback(made.stop)
            yield made


def milliseconds(since_ns: int) -> float:
    return (time.monotonic_ns() - since_ns) / 1e6
