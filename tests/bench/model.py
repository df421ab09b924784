"""The model server in a process of its own, so that it shares neither core nor interpreter with what is measured.

The last prompt says what to stream: ``flood N`` (all deltas in one write, made beforehand), ``pace N SECONDS``
(stamped deltas), anything else: a short reply. On stdin a line asks for the arrival of the newest request.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.home import REPOSITORY
from tests.support.messages_api import MessagesApi, Raw, Reply, Text

DELTA = "some words "
HELLO = Reply((Text("Done."),))


def flood(count: int) -> Raw:
    """A text block of so many deltas, as the API writes them."""
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": DELTA}}] * count,
        {"type": "content_block_stop", "index": 0},
    ]
    return Raw(b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events))


class Script:
    """Replies by what the prompt says; a flood is made once."""

    def __init__(self) -> None:
        self._floods: dict[int, Reply] = {}

    def __call__(self, body: dict[str, Any]) -> Reply:
        content = body["messages"][-1]["content"]
        asked = (content if isinstance(content, str) else content[-1]["text"]).split()
        match asked:
            case ["flood", count]:
                number = int(count)
                if number not in self._floods:
                    self._floods[number] = Reply((flood(number),))
                return self._floods[number]
            case ["pace", count, seconds]:
                return Reply((Text((DELTA,) * int(count), stamp=True),), delay=float(seconds))
        return HELLO


class Model:
    """The server's process, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._ask("")

    def arrived_ns(self) -> int:
        """When the newest request had arrived."""
        return int(self._ask("arrived\n"))

    def _ask(self, question: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question)
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def serving() -> Iterator[Model]:
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Model(process)
        finally:
            process.kill()


async def main() -> None:
    async with MessagesApi(Script()) as api:
        answer = api.url
        while True:
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()
            if not await asyncio.to_thread(sys.stdin.readline):
                return
            answer = str(api.requests[-1].arrived_ns if api.requests else time.monotonic_ns())


if __name__ == "__main__":
    asyncio.run(main())
