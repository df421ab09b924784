"""The first page of the list: however many sessions there are, and as the first thing that a daemon is asked."""

from collections.abc import Mapping
from functools import partial
from time import monotonic_ns, sleep
from typing import Any

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.made import sessions_directory, write_sessions
from tests.bench.place import Place, Program, milliseconds, place
from tests.bench.sizes import Sizes
from tests.bench.words import ABSENT

PAGE: Mapping[str, Any] = {"limit": 50}
BARE = "no-op request"


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    found = []
    for count in sizes.stored:
        with place(program) as here:
            ids = write_sessions(sessions_directory(here.home.data, here.home.root), count)
            here.start()
            client = Client.of(here)
            indexed(client)
            here.settle()
            listed, bare = in_turns(sizes.lists, partial(listing, client, count), no_op(here, client, ids[0]))
            found.append(Figure(f"list, first 50 of {count}", "ms", listed, Target(2), BARE, bare))
            if count == sizes.stored[-1]:
                (opened,) = in_turns(sizes.lists, partial(resumed, here, client, ids[1][:8]))
                found.append(Figure(f"resume of one of {count} by its short id", "ms", opened, Target(10)))
                here.stop()
                (first,) = in_turns(sizes.first_lists, partial(first_list, here, count))
                found.append(Figure(f"list, first 50 of {count}, after a daemon's start", "ms", first, Target(20)))
    return found


def listing(client: Client, count: int) -> float:
    """Milliseconds."""
    begun = monotonic_ns()
    page = client.request("agentd/session/list", PAGE)
    took = milliseconds(begun)
    assert (len(page["sessions"]), page["total"]) == (min(50, count), count), page["total"]
    return took


def resumed(here: Place, client: Client, short: str) -> float:
    """Milliseconds to the page of a session of 6 messages that is not open."""
    here.quiet()
    begun = monotonic_ns()
    page = client.request("agentd/session/resume", {"sessionId": short})
    took = milliseconds(begun)
    client.request("agentd/session/leave", {"sessionId": page["session"]["id"]})
    return took


def first_list(here: Place, count: int) -> float:
    """Milliseconds, of a client that attached as soon as the daemon listened."""
    here.start()
    took = listing(Client.of(here), count)
    here.stop()
    return took


def no_op(here: Place, client: Client, session: str) -> "partial[float]":
    """A request that finds its session open and changes nothing, in milliseconds."""
    # As long as somebody listens to it the session stays open.
    Client.of(here).request("agentd/session/resume", {"sessionId": session, "limit": 1})
    # The first resume has the provider's SDK imported, in a thread of the daemon's: that is not what is measured.
    here.settle()
    return partial(_asked, client, "agentd/session/leave", {"sessionId": session})


def _asked(client: Client, method: str, params: Mapping[str, Any]) -> float:
    begun = monotonic_ns()
    client.request(method, params)
    return milliseconds(begun)


def indexed(client: Client) -> None:
    """Wait until the index holds all that the files do."""
    while client.request("agentd/session/search", {"query": ABSENT}).get("indexing"):
        sleep(0.02)
