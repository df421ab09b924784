"""LSP's base protocol over a byte stream, written for tests: it shares no line with the product's or with pygls'."""

import asyncio
import json
from typing import Any

HEADER_END = b"\r\n\r\n"


class Lost(Exception):
    """The stream ended."""


class Pipe:
    """JSON-RPC messages over a reader and a writer. What is no message of the base protocol raises ``ValueError``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> dict[str, Any]:
        """The next message. Raises ``Lost`` at the end, and ValueError for an end within a message."""
        try:
            header = await self._reader.readuntil(HEADER_END)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise ValueError(f"the stream ended within a header: {error.partial[:200]!r}") from error
            raise Lost from error
        except ConnectionError as error:
            raise Lost from error
        fields = dict(line.split(b": ", 1) for line in header.removesuffix(HEADER_END).split(b"\r\n"))
        if set(fields) != {b"Content-Length"}:
            raise ValueError(f"a header with {fields}")
        try:
            body = await self._reader.readexactly(int(fields[b"Content-Length"]))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ValueError("the stream ended within a message") from error
        message = json.loads(body.decode("utf-8"))
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise ValueError(f"no JSON-RPC message: {body[:200]!r}")
        return message

    def write(self, message: dict[str, Any]) -> None:
        """Send, as far as the other side takes it. A lost stream is found by whoever reads."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def write_bytes(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (ConnectionError, BrokenPipeError):
            return


async def say_hello(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cwd: str, environment: dict[str, str]
) -> dict[str, Any]:
    """The line that goes each way before LSP; the daemon's."""
    said = {"agentd": 1, "version": "0.0.1", "cwd": cwd, "environment": environment}
    writer.write(json.dumps(said).encode() + b"\n")
    answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
    assert isinstance(answer, dict)
    return answer
