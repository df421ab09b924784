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
    return [
        *(figure for large in sizes.large for figure in _resumed(program, sizes, large)),
        *(figure for large in sizes.paged for figure in _paged(program, large)),
        *(figure for line in sizes.lines for figure in _long_line(program, sizes, line)),
    ]


class Opening:
    """A daemon of which nobody has opened this session, warm from another one."""

    def __init__(self, here: Place, large: Large) -> None:
        sessions = sessions_directory(here.home.data, here.home.root)
        (self.other,) = write_sessions(sessions, 1)
        self.session = lay(large, sessions)
        self.transcript = sessions / self.session / "transcript.jsonl"
        self.turns = large.turns
        self.pid = here.start()
        self.client = Client.of(here)
        self.client.request("agentd/session/resume", {"sessionId": self.other})
        here.settle()

    def resumed(self) -> float:
        """Milliseconds to the newest page, from cold. The session is open afterwards."""
        forget(self.transcript)
        begun = monotonic_ns()
        page = self.client.request("agentd/session/resume", {"sessionId": self.session, "limit": PAGE})
        took = milliseconds(begun)
        assert [page["turns"][0]["number"], page["turns"][-1]["number"]] == [self.turns - PAGE + 1, self.turns]
        return took

    def leave(self) -> None:
        self.client.request("agentd/session/leave", {"sessionId": self.session})

    def older(self, before: int, limit: int = PAGE) -> tuple[list[int], int | None]:
        """The numbers of a page's turns, and where the next older page ends."""
        params = {"sessionId": self.session, "before": before, "limit": limit}
        page = self.client.request("agentd/session/turns", params)
        return [turn["number"] for turn in page["turns"]], page.get("before")


def _resumed(program: Program, sizes: Sizes, large: Large) -> list[Figure]:
    added: dict[str, list[float]] = {"Rss": [], "Pss": []}
    for _ in range(sizes.sizes):
        with place(program) as here:
            opening = Opening(here, large)
            before = held(opening.pid), held(opening.pid, "Pss")
            opening.resumed()
            added["Rss"].append(held(opening.pid) - before[0])
            added["Pss"].append(held(opening.pid, "Pss") - before[1])
    with place(program) as here:
        opening = Opening(here, large)

        def resumed() -> float:
            took = opening.resumed()
            opening.leave()
            return took

        taken, bare = in_turns(sizes.resumes, resumed, partial(tail, opening.transcript))
    name = f"resume, newest {PAGE} turns of {large.name}, cold"
    return [
        Figure(name, "ms", taken, Target(10), f"open and read of the last {BYTES // 1000} kB, cold", bare),
        Figure(f"{name}: memory added", "MB", added["Rss"], Target(5)),
        Figure(f"{name}: memory added, shared in part", "MB", added["Pss"], Target(5)),
    ]


def _paged(program: Program, large: Large) -> list[Figure]:
    """Once, back through all of it."""
    with place(program) as here:
        opening = Opening(here, large)
        opening.resumed()
        before = held(opening.pid)
        forget_peak(opening.pid)
        taken: list[float] = []
        numbers: list[int] = []
        page: int | None = large.turns - PAGE + 1
        while page is not None:
            begun = monotonic_ns()
            found, page = opening.older(page)
            taken.append(milliseconds(begun))
            numbers += reversed(found)
        assert numbers == list(range(large.turns - PAGE, 0, -1))
        most, after = peak(opening.pid) - before, held(opening.pid) - before
    name = f"back through {large.name} by {PAGE} turns"
    return [
        Figure(f"{name}: a page", "ms", taken, Target(10)),
        Figure(f"{name}: most memory added meanwhile", "MB", [most], Target(8, why="a few pages")),
        Figure(f"{name}: memory added after it", "MB", [after], Target(5)),
    ]


def _long_line(program: Program, sizes: Sizes, line: Large) -> list[Figure]:
    taken, most = [], []
    for _ in range(sizes.sizes):
        with place(program) as here:
            opening = Opening(here, line)
            opening.client.request("agentd/session/resume", {"sessionId": opening.session, "limit": 1})
            before = held(opening.pid)
            forget_peak(opening.pid)
            begun = monotonic_ns()
            numbers, _ = opening.older(line.turns // 2 + 1, 1)
            taken.append(milliseconds(begun))
            assert numbers == [line.turns // 2]
            most.append(peak(opening.pid) - before)
    return [
        Figure(f"the page of {line.name}, cut", "ms", taken),
        Figure(f"the page of {line.name}: most memory added meanwhile", "MB", most, Target(8, why="a few pages")),
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
