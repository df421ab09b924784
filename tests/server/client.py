"""A client made of bytes: it says exactly what a test says, and waits for what comes, with a limit."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from agentd.server import hello

LIMIT = 15.0


OPEN: "set[Client]" = set()
"""Those that a test has not closed; the ``edge`` fixture does."""


class Client:
    """A connection to a daemon's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.daemon: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self._id = 0
        OPEN.add(self)

    @classmethod
    async def raw(cls, path: str) -> "Client":
        return cls(*await asyncio.open_unix_connection(path, limit=2**27))

    @classmethod
    async def greeted(cls, path: str, version: str = "0.1.0", environment: dict[str, str] | None = None) -> "Client":
        client = await cls.raw(path)
        client.writer.write(hello.of_client(version, "/", environment or {}))
        client.daemon = json.loads(await client.line())
        return client

    @classmethod
    async def initialized(cls, path: str, **capabilities: Any) -> "Client":
        client = await cls.greeted(path)
        client.answer = await client.request("initialize", initialize(**capabilities))
        return client

    answer: dict[str, Any]

    async def line(self) -> bytes:
        async with asyncio.timeout(LIMIT):
            return await self.reader.readline()

    def body(self, body: bytes) -> None:
        self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send(self, **message: Any) -> None:
        self.body(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def notify(self, method: str, params: Any) -> None:
        self.send(method=method, params=params)

    def ask(self, method: str, params: Any = None) -> int:
        self._id += 1
        self.send(id=self._id, method=method, **({} if params is None else {"params": params}))
        return self._id

    async def request(self, method: str, params: Any = None) -> dict[str, Any]:
        return await self.answer_to(self.ask(method, params))

    async def answer_to(self, number: Any) -> dict[str, Any]:
        """The answer with this id; events that come before are kept."""
        while True:
            message = await self.next()
            if "method" in message:
                self.events.append(message)
            else:
                assert message["id"] == number, message
                return message

    async def next(self) -> dict[str, Any]:
        """The next message. Fails when the connection ends first."""
        async with asyncio.timeout(LIMIT):
            header = await self.reader.readuntil(b"\r\n\r\n")
            name, _, length = header.strip().partition(b": ")
            assert name == b"Content-Length"
            body = await self.reader.readexactly(int(length))
        message = json.loads(body)
        assert message["jsonrpc"] == "2.0"
        assert isinstance(message, dict)
        return message

    async def end(self) -> bytes:
        """What comes until the daemon closes."""
        async with asyncio.timeout(LIMIT):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def alive(self) -> None:
        assert "result" in await self.request("agentd/status", {})

    async def close(self) -> None:
        OPEN.discard(self)
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


def initialize(**capabilities: Any) -> dict[str, Any]:
    return {"processId": None, "rootUri": None, "clientInfo": {"name": "bytes"}, "capabilities": capabilities}
