"""Processes that measure or serve beside the bench: the SDK alone, a client on a session, a bare echo.

Each takes a JSON line on stdin and answers with one on stdout, and ends with its input.
"""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench.client import Client
from tests.support.home import KEY, MODEL, REPOSITORY

STAMP = re.compile(r"@(\d+) ")


def ages(text: str, now: int) -> Iterator[float]:
    """Milliseconds since each stamped delta in a text was written."""
    for stamp in STAMP.findall(text):
        yield (now - int(stamp)) / 1e6


class Worker:
    """A worker's process, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.said = self.answer()

    def begin(self, question: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended: {self._process.args!r}")
        return json.loads(line)

    def ask(self, question: Any) -> Any:
        self.begin(question)
        return self.answer()


@contextmanager
def working(kind: str, *arguments: str) -> Iterator[Worker]:
    with subprocess.Popen(
        [sys.executable, "-m", __name__, kind, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def settle() -> None:
    """What was imported is not to be looked through while something is measured."""
    gc.collect()
    gc.freeze()


async def alone(url: str) -> None:
    """The SDK alone. Question: a prompt. Answer: milliseconds to the end, and the ages of stamped deltas."""
    import anthropic

    client = anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0)
    settle()
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        found: list[float] = []
        begun, length = time.monotonic_ns(), 0
        stream = await client.messages.create(
            model=MODEL, max_tokens=8192, messages=[{"role": "user", "content": json.loads(line)}], stream=True
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                length += len(event.delta.text)
                found += ages(event.delta.text, time.monotonic_ns())
        say({"ms": (time.monotonic_ns() - begun) / 1e6, "ages": found, "length": length})


def attached(path: str, root: str, environment: str, session: str) -> None:
    """A client on a session. Question: a prompt to send, or null to only watch. Answer, at the turn's end: as above."""
    client = Client.attached(path, root, json.loads(environment))
    client.request("agentd/session/resume", {"sessionId": session})
    settle()
    say("ready")
    for line in sys.stdin:
        say(_turn(client, session, json.loads(line)))


def _turn(client: Client, session: str, prompt: str | None) -> dict[str, Any]:
    found: list[float] = []
    length = pieces = 0
    ended: dict[str, Any] | None = None

    def take(event: dict[str, Any], now: int) -> None:
        nonlocal ended, length, pieces
        if event["type"] == "item/delta":
            length += len(event["text"])
            pieces += 1
            found.extend(ages(event["text"], now))
        elif event["type"] == "turn/ended":
            ended = event["turn"]

    client.take = take
    begun = time.monotonic_ns()
    asked = client.begin("agentd/chat", {"sessionId": session, "prompt": prompt}) if prompt is not None else None
    while ended is None:
        client.read()
    took = (time.monotonic_ns() - begun) / 1e6
    if ended["status"] != "completed":
        raise RuntimeError(ended)
    if asked is not None:
        client.answer(asked)
    return {"ms": took, "ages": found, "length": length, "pieces": pieces}


async def echo(path: str) -> None:
    """JSON-RPC that answers with its parameters: what asyncio itself costs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                header = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            message = json.loads(await reader.readexactly(int(header[len(b"Content-Length: ") : -4])))
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": message["params"]}).encode()
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async with await asyncio.start_unix_server(serve, path):
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)


def main(arguments: Sequence[str]) -> None:
    kind, *rest = arguments
    if kind == "attached":
        attached(*rest)
    else:
        asyncio.run(alone(*rest) if kind == "alone" else echo(*rest))


if __name__ == "__main__":
    main(sys.argv[1:])
