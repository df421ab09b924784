"""How much is measured: enough to believe it, or little enough for a test that the harness runs."""

from dataclasses import dataclass

from tests.bench.made import GB1, LINE, LONG, MB100, Large


@dataclass(frozen=True)
class Sizes:
    """Rounds of each figure, and what one round of it holds."""

    starts: int = 25
    cold_starts: int = 9
    requests: int = 10
    requests_a_round: int = 200
    prompts: int = 60
    floods: int = 15
    flood_deltas: int = 2000
    paces: int = 5
    pace_deltas: int = 600
    pace_seconds: float = 0.005
    clients: int = 100
    loaded: int = 50
    idle_seconds: float = 10.0
    sizes: int = 3
    stored: tuple[int, ...] = (200, 2_000, 10_000)
    creates: int = 40
    lists: int = 40
    first_lists: int = 9
    searches: int = 40
    rebuilds: int = 3
    large: tuple[Large, ...] = (LONG, MB100, GB1)
    paged: tuple[Large, ...] = (MB100, GB1)
    lines: tuple[Large, ...] = (LINE,)
    resumes: int = 20
    opened: int = 200


FULL = Sizes()
CUT = Sizes(
    starts=1, cold_starts=1, requests=1, requests_a_round=5, prompts=2, floods=1, flood_deltas=50, paces=1,
    pace_deltas=20, clients=2, loaded=2, idle_seconds=0.2, sizes=1, stored=(6,), creates=2, lists=2,
    first_lists=1, searches=2, rebuilds=1, large=(LONG,), paged=(LONG,), lines=(), resumes=2, opened=3,
)  # fmt: skip
