"""What the daemon holds and what it costs while nothing happens."""

import time
from pathlib import Path

from lsprotocol.converters import get_converter
from pytest_lsp import client_capabilities

from tests.bench.client import Client
from tests.bench.figure import Figure, Target
from tests.bench.fill import fill
from tests.bench.memory import held
from tests.bench.model import serving
from tests.bench.place import Program, place, processor_time
from tests.bench.sizes import Sizes

EDITOR = "visual-studio-code"
CONVERTER = get_converter()
TURNS = 20
TEXT = 2000


def ran(pid: int) -> float:
    """Milliseconds that its main thread has run for, to the nanosecond."""
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
    """Two daemons' lives: in the second one nothing was given back that further clients could be made of."""
    found: dict[str, float] = {}
    with serving() as model, place(program, model.url) as here:
        ids = fill(here.home.data, here.home.root, sessions=sizes.loaded, turns=TURNS, text=TEXT)
        pid = here.start()
        client = Client.of(here)
        here.settle()
        found["before"] = held(pid)
        found["cpu before"], _ = _idle(pid, sizes.idle_seconds)
        client.request("agentd/chat", {"prompt": "What is this project?"})
        here.settle()
        found["after"] = held(pid)
        for session in ids:
            client.request("agentd/session/resume", {"sessionId": session})
        found["loaded"] = held(pid) - found["after"]
        here.settle()
        found["cpu loaded"], found["cpu exact"] = _idle(pid, sizes.idle_seconds)
        client.close()
    with place(program) as here:
        pid = here.start()
        capabilities = CONVERTER.unstructure(client_capabilities(EDITOR))
        # The first ones bring what all of them share.
        clients = [Client.of(here, capabilities) for _ in range(2)]
        before = held(pid)
        clients += [Client.of(here, capabilities) for _ in range(sizes.clients)]
        found["client"] = (held(pid) - before) / sizes.clients
        for one in clients:
            one.close()
    return found


def _idle(pid: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of processor time in so long, in ticks and exactly."""
    before, exactly = processor_time(pid), ran(pid)
    time.sleep(seconds)
    return processor_time(pid) - before, ran(pid) - exactly
