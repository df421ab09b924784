"""Making, listing, forking and resuming sessions: a first look; the targets are those of PEERS.md."""

from collections.abc import Mapping
from functools import partial
from time import monotonic_ns
from typing import Any

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.fill import fill
from tests.bench.place import Program, milliseconds, place
from tests.bench.prompt import synced
from tests.bench.sizes import Sizes

LONG = 300


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    with place(program) as here:
        fill(here.home.data, here.home.root, sessions=sizes.stored, turns=5, text=500)
        (long,) = fill(here.home.data, here.home.root, sessions=1, turns=LONG, text=2000)
        here.start()
        client = Client.of(here)
        client.request("agentd/session/resume", {"sessionId": long, "limit": 1})
        client.request("agentd/session/leave", {"sessionId": long})
        here.settle()
        page = {"sessionId": long, "limit": 20}

        def asked(method: str, params: Mapping[str, Any]) -> float:
            begun = monotonic_ns()
            client.request(method, params)
            return milliseconds(begun)

        def resumed() -> float:
            took = asked("agentd/session/resume", page)
            client.request("agentd/session/leave", {"sessionId": long})
            return took

        target = here.home.data / "bare"
        (listed,) = in_turns(sizes.lists, partial(asked, "agentd/session/list", {"limit": 50}))
        made, forked, resume, bare = in_turns(
            sizes.creates,
            partial(asked, "agentd/session/new", {}),
            partial(asked, "agentd/session/fork", {"sessionId": long}),
            resumed,
            lambda: synced(target),
        )
    disk = "write + fdatasync, same disk"
    return [
        Figure("create a session", "ms", made, Target(5), disk, bare),
        Figure(f"list 50 of {sizes.stored}", "ms", listed, Target(2)),
        Figure(f"fork of {LONG} turns, at the end", "ms", forked, Target(5), disk, bare),
        Figure(f"resume, newest 20 of {LONG} turns, opened anew", "ms", resume, Target(10)),
    ]
