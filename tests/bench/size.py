"""What the daemon holds and what it costs while nothing happens."""

import time
from pathlib import Path

from tests.bench.client import Client
from tests.bench.figure import Figure, Target
from tests.bench.fill import fill
from tests.bench.model import serving
from tests.bench.place import Program, place
from tests.bench.sizes import Sizes

TURNS = 20
TEXT = 2000
TICK = 10.0
"""Milliseconds: what the kernel counts a process's time in."""


def resident(pid: int) -> float:
    """Megabytes of memory that the process has in use."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory is told of process {pid}")


def ticks(pid: int) -> float:
    """Milliseconds that the process has run for, in user and kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def ran(pid: int) -> float:
    """The same, to the nanosecond, of its main thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    taken: dict[str, list[float]] = {}
    for _ in range(sizes.sizes):
        for name, value in once(program, sizes).items():
            taken.setdefault(name, []).append(value)
    second = f"CPU in {sizes.idle_seconds:.0f} s idle"
    return [
        Figure("idle daemon, one client, before any chat", "MB", taken["before"], Target(60)),
        Figure("the same after a first chat", "MB", taken["after"], Target(115)),
        Figure("each further client", "MB", taken["client"], Target(0.5)),
        Figure(f"{sizes.loaded} sessions loaded", "MB", taken["loaded"], Target(20)),
        Figure(f"{second}, one client, before any chat", "ms", taken["cpu before"], Target(0, why="clock ticks")),
        Figure(f"{second}, sessions loaded", "ms", taken["cpu loaded"], Target(0, why="clock ticks")),
        Figure(f"{second}, sessions loaded, exact", "ms", taken["cpu exact"]),
    ]


def once(program: Program, sizes: Sizes) -> dict[str, float]:
    """One daemon's life."""
    found: dict[str, float] = {}
    with serving() as model, place(program, model.url) as here:
        ids = fill(here.home.data, here.home.root, sessions=sizes.loaded, turns=TURNS, text=TEXT)
        pid = here.start()
        client = Client.of(here)
        found["before"] = resident(pid)
        found["cpu before"], _ = _idle(pid, sizes.idle_seconds)
        client.request("agentd/chat", {"prompt": "What is this project?"})
        found["after"] = resident(pid)

        before = resident(pid)
        further = [Client.of(here) for _ in range(sizes.clients)]
        found["client"] = (resident(pid) - before) / sizes.clients
        for one in further:
            one.close()

        client.request("agentd/session/resume", {"sessionId": ids[0]})
        before = resident(pid)
        for session in ids:
            client.request("agentd/session/resume", {"sessionId": session})
        found["loaded"] = resident(pid) - before
        found["cpu loaded"], found["cpu exact"] = _idle(pid, sizes.idle_seconds)
        client.close()
    return found


def _idle(pid: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of processor time in so long, in ticks and exactly, once what was asked is done with."""
    time.sleep(min(1.0, seconds))
    before, exactly = ticks(pid), ran(pid)
    time.sleep(seconds)
    return ticks(pid) - before, ran(pid) - exactly
