"""A reply on its way from the model to the clients: all at once, and as slowly as a model writes."""

import json
from contextlib import ExitStack
from typing import Any

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns, quantile
from tests.bench.model import DELTA, serving
from tests.bench.place import Place, Program, place
from tests.bench.sizes import Sizes
from tests.bench.worker import Worker, working


def a_client(stack: ExitStack, here: Place, session: str) -> Worker:
    environment = json.dumps(here.client_environment())
    return stack.enter_context(working("attached", here.socket, str(here.home.root), environment, session))


def warmed(here: Place) -> Client:
    """A client of a daemon that has the model's SDK at hand."""
    client = Client.of(here)
    client.request("agentd/chat", {"prompt": "What is this project?"})
    here.settle()
    return client


def a_session(client: Client) -> str:
    return str(client.request("agentd/session/new", {})["session"]["id"])


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    return [*at_once(program, sizes), *paced(program, sizes)]


def at_once(program: Program, sizes: Sizes) -> list[Figure]:
    prompt, length = f"flood {sizes.flood_deltas}", sizes.flood_deltas * len(DELTA)
    with serving() as model, place(program, model.url) as here, ExitStack() as stack:
        here.start()
        alone = stack.enter_context(working("alone", model.url))
        starter = warmed(here)

        def ours() -> float:
            # A session of its own each time: the history would grow from round to round.
            with ExitStack() as inner:
                said = a_client(inner, here, a_session(starter)).ask(prompt)
            return _whole(said, length)

        through, bare = in_turns(sizes.floods, ours, lambda: _whole(alone.ask(prompt), length))
    name = f"{sizes.flood_deltas} deltas without delay, prompt to end"
    return [Figure(name, "ms", through, Target(2, "ratio"), "the SDK alone", bare)]


def _whole(said: dict[str, Any], length: int) -> float:
    assert said["length"] == length, f"{said['length']} characters came of {length}"
    return float(said["ms"])


def paced(program: Program, sizes: Sizes) -> list[Figure]:
    prompt = f"pace {sizes.pace_deltas} {sizes.pace_seconds}"
    ages: dict[str, list[list[float]]] = {"alone": [], "one": [], "first": [], "second": []}
    with serving() as model, place(program, model.url) as here, ExitStack() as stack:
        here.start()
        alone = stack.enter_context(working("alone", model.url))
        starter = warmed(here)
        for _ in range(sizes.paces):
            ages["alone"].append(alone.ask(prompt)["ages"])
            with ExitStack() as inner:
                ages["one"].append(a_client(inner, here, a_session(starter)).ask(prompt)["ages"])
            with ExitStack() as inner:
                session = a_session(starter)
                first, second = (a_client(inner, here, session) for _ in range(2))
                second.begin(None)
                ages["first"].append(first.ask(prompt)["ages"])
                ages["second"].append(second.answer()["ages"])
    for taken in (found for lists in ages.values() for found in lists):
        assert len(taken) == sizes.pace_deltas, f"{len(taken)} deltas came of {sizes.pace_deltas}"
    return [
        _age("one client", 0.5, ages["one"], ages["alone"], 0.3),
        _age("one client", 0.99, ages["one"], ages["alone"], 1.0),
        _age("second client", 0.5, ages["second"], ages["alone"], 0.35),
        _age("second client", 0.99, ages["second"], ages["alone"], 1.5),
        _age("first of two", 0.99, ages["first"], ages["alone"], None),
    ]


def _age(who: str, part: float, ours: list[list[float]], alone: list[list[float]], limit: float | None) -> Figure:
    name = f"age of a delta, {who}, p{100 * part:.0f}"
    values, references = ([quantile(found, part) for found in lists] for lists in (ours, alone))
    return Figure(name, "ms", values, Target(limit) if limit else None, "the SDK alone", references)
