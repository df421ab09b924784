"""A request that does next to nothing, over the socket: what the daemon's framing, typing and dispatch cost."""

from functools import partial
from time import monotonic_ns

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.place import Program, milliseconds, place
from tests.bench.sizes import Sizes
from tests.bench.worker import working


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    with place(program) as here:
        here.start()
        path = str(here.home.base / "echo.sock")
        with working("echo", path):
            holder, ours, echo = Client.of(here), Client.of(here), Client(path)
            here.closing.callback(echo.close)
            session = holder.request("agentd/session/new", {})["session"]["id"]
            # As long as somebody listens to it the session stays open, and leaving it changes nothing.
            holder.request("agentd/session/resume", {"sessionId": session})
            params = {"sessionId": session}
            here.settle()

            def a_request(client: Client) -> float:
                begun = monotonic_ns()
                for _ in range(sizes.requests_a_round):
                    client.request("agentd/session/leave", params)
                return milliseconds(begun) / sizes.requests_a_round

            daemon, bare = in_turns(sizes.requests, partial(a_request, ours), partial(a_request, echo))
    return [Figure("no-op request over the socket", "ms", daemon, Target(3, "ratio"), "bare asyncio echo", bare)]
