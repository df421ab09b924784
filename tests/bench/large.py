"""Sessions of years: their newest page from cold, back through all of one, and a line that no page can hold.

"Cold": the daemon does not have the session open, and the system holds none of its transcript in memory.
"""

import os
from functools import partial
from pathlib import Path
from time import monotonic_ns

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.made import Large, lay, sessions_directory, write_sessions
from tests.bench.memory import forget_peak, held, peak
from tests.bench.place import Place, Program, milliseconds, place
from tests.bench.sizes import Sizes

PAGE = 50
BYTES = 450_000
"""Of a page of 50 turns."""


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    found = []
    for large in sizes.large:
        with place(program) as here:
            opening = Opening(here, large)
            found += _resumed(opening, sizes)
            if large in sizes.paged:
                found += _paged(opening)
    for line in sizes.lines:
        with place(program) as here:
            found += _long_line(Opening(here, line), sizes)
    return found


class Opening:
    """A large session in a home of its own, indexed already. ``daemon``: a new one, which is warm and lets it be."""

    def __init__(self, here: Place, large: Large) -> None:
        sessions = sessions_directory(here.home.data, here.home.root)
        (self._other,) = write_sessions(sessions, 1)
        self._here = here
        self.large = large
        self.session = lay(large, sessions)
        self.transcript = sessions / self.session / "transcript.jsonl"
        begun = monotonic_ns()
        self.daemon()
        self.indexed = milliseconds(begun)

    def daemon(self) -> None:
        self._here.stop()
        self.pid = self._here.start()
        self.client = Client.of(self._here)
        self.client.request("agentd/session/resume", {"sessionId": self._other})
        self._here.settle()

    def resumed(self, limit: int = PAGE) -> float:
        """Milliseconds to the newest page, from cold. The session is open afterwards."""
        forget(self.transcript)
        begun = monotonic_ns()
        page = self.client.request("agentd/session/resume", {"sessionId": self.session, "limit": limit})
        took = milliseconds(begun)
        last = self.large.turns
        assert [page["turns"][0]["number"], page["turns"][-1]["number"]] == [last - limit + 1, last]
        return took

    def resumed_again(self) -> float:
        """The same, and it is closed afterwards."""
        self._here.quiet()
        took = self.resumed()
        self.client.request("agentd/session/leave", {"sessionId": self.session})
        return took

    def older(self, before: int, limit: int = PAGE) -> tuple[list[int], int | None]:
        """The numbers of a page's turns, and where the next older page ends."""
        params = {"sessionId": self.session, "before": before, "limit": limit}
        page = self.client.request("agentd/session/turns", params)
        return [turn["number"] for turn in page["turns"]], page.get("before")


def _resumed(opening: Opening, sizes: Sizes) -> list[Figure]:
    added: dict[str, list[float]] = {"Rss": [], "Pss": []}
    for _ in range(sizes.sizes):
        opening.daemon()
        before = held(opening.pid), held(opening.pid, "Pss")
        opening.resumed()
        added["Rss"].append(held(opening.pid) - before[0])
        added["Pss"].append(held(opening.pid, "Pss") - before[1])
    opening.daemon()
    taken, bare = in_turns(sizes.resumes, opening.resumed_again, partial(tail, opening.transcript))
    name = f"resume, newest {PAGE} turns of {opening.large.name}, cold"
    return [
        Figure(name, "ms", taken, Target(10), f"open and read of the last {BYTES // 1000} kB, cold", bare),
        Figure(f"{name}: memory added", "MB", added["Rss"], Target(5)),
        Figure(f"{name}: memory added, shared in part", "MB", added["Pss"], Target(5)),
        Figure(f"{opening.large.name}: start of a daemon, all indexed", "ms", [opening.indexed]),
    ]


def _paged(opening: Opening) -> list[Figure]:
    """Once, back through all of it."""
    opening.daemon()
    opening.resumed()
    before = held(opening.pid)
    forget_peak(opening.pid)
    taken: list[float] = []
    numbers: list[int] = []
    page: int | None = opening.large.turns - PAGE + 1
    while page is not None:
        begun = monotonic_ns()
        found, page = opening.older(page)
        taken.append(milliseconds(begun))
        numbers += reversed(found)
    assert numbers == list(range(opening.large.turns - PAGE, 0, -1))
    most, after = peak(opening.pid) - before, held(opening.pid) - before
    name = f"back through {opening.large.name} by {PAGE} turns"
    return [
        Figure(f"{name}: a page", "ms", taken, Target(10)),
        Figure(f"{name}: most memory added meanwhile", "MB", [most], Target(8, why="a few pages")),
        Figure(f"{name}: memory added after it", "MB", [after], Target(5)),
    ]


def _long_line(opening: Opening, sizes: Sizes) -> list[Figure]:
    taken, most = [], []
    middle = opening.large.turns // 2
    for _ in range(sizes.sizes):
        opening.daemon()
        opening.resumed(1)
        before = held(opening.pid)
        forget_peak(opening.pid)
        begun = monotonic_ns()
        numbers, _ = opening.older(middle + 1, 1)
        taken.append(milliseconds(begun))
        assert numbers == [middle]
        most.append(peak(opening.pid) - before)
    name = f"the page of {opening.large.name}"
    return [
        Figure(f"{name}, cut", "ms", taken),
        Figure(f"{name}: most memory added meanwhile", "MB", most, Target(8, why="a few pages")),
    ]


def forget(path: Path) -> None:
    """The system is to read it from the disk again."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def tail(path: Path) -> float:
    """Milliseconds to open it and to read its end."""
    forget(path)
    begun = monotonic_ns()
    with open(path, "rb") as file:
        os.pread(file.fileno(), BYTES, max(0, path.stat().st_size - BYTES))
    return milliseconds(begun)
