"""From a prompt to its acknowledgement, which is synced, and to the request's arrival at the model."""

import os
from pathlib import Path
from time import monotonic_ns
from typing import Any

from tests.bench.client import Client
from tests.bench.figure import Figure, Target, in_turns
from tests.bench.model import Model, serving
from tests.bench.place import Program, milliseconds, place
from tests.bench.sizes import Sizes


class Prompting:
    """One session of one client. Prompts it, and keeps when what was said of it."""

    def __init__(self, client: Client, model: Model) -> None:
        self.arrived: list[float] = []
        self._client = client
        self._model = model
        self._acknowledged = 0
        client.take = self._take
        self._session = client.request("agentd/session/new", {})["session"]["id"]
        client.request("agentd/session/resume", {"sessionId": self._session})

    def __call__(self) -> float:
        """Milliseconds until the turn was said to have started. The time to its request is added to ``arrived``."""
        begun = monotonic_ns()
        number = self._client.begin("agentd/chat", {"sessionId": self._session, "prompt": "What is this project?"})
        turn = self._client.answer(number)["turn"]
        assert turn["status"] == "completed", turn
        self.arrived.append((self._model.arrived_ns() - begun) / 1e6)
        return (self._acknowledged - begun) / 1e6

    def _take(self, event: dict[str, Any], now: int) -> None:
        if event["type"] == "turn/started":
            self._acknowledged = now


def synced(path: Path) -> float:
    """Milliseconds of a bare write and fdatasync at a file's end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        begun = monotonic_ns()
        os.write(descriptor, b"x" * 500)
        os.fdatasync(descriptor)
        return milliseconds(begun)
    finally:
        os.close(descriptor)


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    with serving() as model, place(program, model.url) as here:
        here.start()
        prompt = Prompting(Client.of(here), model)
        prompt()
        here.settle()
        target = here.home.data / "bare"
        acknowledged, bare = in_turns(sizes.prompts, prompt, lambda: synced(target))
        arrived = prompt.arrived[-sizes.prompts :]
    disk = "write + fdatasync, same disk"
    return [
        Figure("prompt to acknowledgement, synced", "ms", acknowledged, Target(5), disk, bare),
        Figure("prompt to the request at the model", "ms", arrived, Target(10), disk, bare),
    ]
