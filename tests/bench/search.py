"""Full-text search over made sessions: a word in three of them, one in nearly all, one in none."""

from functools import partial
from time import monotonic_ns

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.lists import BARE, indexed, no_op
from tests.bench.made import sessions_directory, write_sessions
from tests.bench.place import Program, milliseconds, place
from tests.bench.sizes import Sizes
from tests.bench.words import ABSENT, COMMON, RARE

LIMIT = 20


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    stored = sizes.stored[-1]
    with place(program) as here:
        ids = write_sessions(sessions_directory(here.home.data, here.home.root), stored)
        here.start()
        client = Client.of(here)
        indexed(client)
        here.settle()
        rare, common, absent, bare = in_turns(
            sizes.searches,
            partial(searched, client, RARE, 3),
            partial(searched, client, COMMON, min(stored, LIMIT) // 2),
            partial(searched, client, ABSENT, 0),
            no_op(here, client, ids[0]),
        )
    return [
        Figure(f"search of {stored} for a rare word", "ms", rare, Target(5), BARE, bare),
        Figure(f"search of {stored} for a common word", "ms", common, Target(15), BARE, bare),
        Figure(f"search of {stored} for an absent word", "ms", absent, Target(5), BARE, bare),
    ]


def searched(client: Client, word: str, least: int) -> float:
    """Milliseconds. ``least``: so many hits are there, or more."""
    begun = monotonic_ns()
    found = client.request("agentd/session/search", {"query": word, "limit": LIMIT})
    took = milliseconds(begun)
    assert len(found["hits"]) >= least, f"{word}: {len(found['hits'])} hits"
    assert least or not found["hits"], f"{word} is in none"
    return took
