"""The index made anew over all sessions, beside a bare loop that reads and parses the same bytes; and how long a
client waits for an answer meanwhile."""

import json
from pathlib import Path
from threading import Event, Thread
from time import monotonic_ns

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.lists import PAGE, indexed
from tests.bench.made import sessions_directory, write_sessions
from tests.bench.place import Place, Program, milliseconds, place
from tests.bench.sizes import Sizes
from tests.bench.words import COMMON

PAUSE = 0.005


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    stored = sizes.stored[-1]
    slowest: list[float] = []
    with place(program) as here:
        sessions = sessions_directory(here.home.data, here.home.root)
        write_sessions(sessions, stored)
        rebuilt, bare = in_turns(sizes.rebuilds, lambda: rebuild(here, stored, slowest), lambda: parsed(sessions))
    name = f"the index of {stored} made anew"
    return [
        Figure(name, "ms", rebuilt, Target(12, "ratio"), "read and json.loads of all lines", bare),
        Figure(f"{name}: slowest answer meanwhile", "ms", slowest[-sizes.rebuilds :], Target(50)),
    ]


def rebuild(here: Place, stored: int, slowest: list[float]) -> float:
    """Milliseconds from the start of a daemon without an index until it has one. Adds the prober's slowest answer."""
    for path in sessions_directory(here.home.data, here.home.root).parent.glob("index.sqlite3*"):
        path.unlink()
    begun = monotonic_ns()
    here.start()
    client, prober = Client.of(here), Prober(here)
    prober.start()
    indexed(client)
    took = milliseconds(begun)
    slowest.append(prober.stop())
    # Each prober has made a session more.
    assert client.request("agentd/session/list", PAGE)["total"] >= stored
    assert client.request("agentd/session/search", {"query": COMMON})["hits"]
    here.stop()
    return took


class Prober(Thread):
    """Another client, which asks one thing after another and waits 5 ms between."""

    def __init__(self, here: Place) -> None:
        super().__init__(daemon=True)
        self._client = Client.of(here)
        self._ending = Event()
        self._slowest = 0.0
        self._session: str = self._client.request("agentd/session/new", {})["session"]["id"]

    def run(self) -> None:
        while not self._ending.wait(PAUSE):
            begun = monotonic_ns()
            self._client.request("agentd/session/resume", {"sessionId": self._session})
            self._slowest = max(self._slowest, milliseconds(begun))

    def stop(self) -> float:
        """The slowest answer, in milliseconds."""
        self._ending.set()
        self.join()
        self._client.close()
        return self._slowest


def parsed(sessions: Path) -> float:
    """Milliseconds to read and parse every line of every transcript, with nothing done about them."""
    begun = monotonic_ns()
    for session in sessions.iterdir():
        for line in (session / "transcript.jsonl").read_bytes().splitlines():
            json.loads(line)
    return milliseconds(begun)
