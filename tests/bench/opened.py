"""What sessions cost that are open all at once: short ones, and ones whose newest turn is as large as is held."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench.client import Client
from tests.bench.figure import Figure, Target
from tests.bench.made import Large, sessions_directory, write_large, write_sessions
from tests.bench.memory import held
from tests.bench.place import Place, Program, place
from tests.bench.sizes import Sizes


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    count = sizes.opened

    def short(sessions: Path) -> list[str]:
        return write_sessions(sessions, count)

    def of_turns(turns: int, line: int, sessions: Path) -> list[str]:
        made = [Large(f"opened {number}", turns, line) for number in range(count)]
        for large in made:
            write_large(sessions, large)
        return [large.id for large in made]

    working, heavy = partial(of_turns, 20, 0), partial(of_turns, 1, 300_000)
    kinds: dict[str, Callable[[Path], list[str]]] = {
        "of 6 messages": short,
        "of 20 turns, 170 kB": working,
        "whose newest turn is of 300 kB": heavy,
    }
    found = []
    for name, write in kinds.items():
        taken = []
        for _ in range(sizes.sizes):
            with place(program) as here:
                ids = write(sessions_directory(here.home.data, here.home.root))
                taken.append(_opened(here, ids))
        found.append(Figure(f"{count} sessions {name} open at once", "MB", taken, Target(60)))
    return found


def _opened(here: Place, ids: list[str]) -> float:
    """Megabytes that they add."""
    pid = here.start()
    client = Client.of(here)
    client.request("agentd/session/resume", {"sessionId": ids[0]})
    here.settle()
    before = held(pid)
    for session in ids:
        client.request("agentd/session/resume", {"sessionId": session})
    here.settle()
    return held(pid) - before
