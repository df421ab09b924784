"""HTTP/1.1 by hand, because the tests are about exact bytes: reads requests, writes heads and chunks, breaks
connections. Knows nothing of messages."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from .errors import ApiError

MAX_BODY = 32 * 1024 * 1024
_PIECE = 65536


@dataclass(frozen=True)
class HttpRequest:
    """`arrived_ns` is `time.monotonic_ns()` once its last byte was read. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    arrived_ns: int


class HttpConnection:
    """One client's connection. `alive` is false once one side has closed it or it was broken on purpose."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self.alive = True
        # drain() then means that the kernel has every byte, so that a reset cannot overtake what came before it.
        writer.transport.set_write_buffer_limits(high=0)

    async def read(self) -> HttpRequest | None:
        """The next request; None when the client is done."""
        try:
            while (end := self._buffer.find(b"\r\n\r\n")) < 0:
                await self._more()
            head = self._take(end + 4)
            request_line, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = request_line.split(" ")
            pairs = (line.partition(":") for line in lines if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            length = int(headers.get("content-length", "0"))
            while len(self._buffer) < length:
                await self._more()
        except (OSError, EOFError):
            return None
        except ValueError as error:
            raise ApiError(400, f"not an HTTP request: {error}") from error
        if length > MAX_BODY:
            raise ApiError(413, "Request exceeds the maximum size")
        return HttpRequest(method, target.partition("?")[0], headers, self._take(length), time.monotonic_ns())

    async def until_closed(self) -> None:
        """Returns when the client has hung up; meant to be raced against the answer."""
        with contextlib.suppress(OSError):
            while data := await self._reader.read(_PIECE):
                # The next request may come while the end of this answer is still being written; it is no hang-up.
                self._buffer += data
        self.alive = False

    async def respond(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        await self._write(_head(status, (*headers, ("content-length", str(len(body))))) + body)

    async def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """The head of a body that comes in chunks."""
        await self._write(_head(status, (*headers, ("transfer-encoding", "chunked"))))

    async def begin_short(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """The head that promises all of `body`, and only the first half of it."""
        await self._write(_head(status, (*headers, ("content-length", str(len(body))))) + body[: len(body) // 2])

    async def chunk(self, data: bytes) -> None:
        await self._write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self._write(b"0\r\n\r\n")

    def cut(self) -> None:
        self.alive = False
        self._writer.close()

    def reset(self) -> None:
        self.alive = False
        connection = self._writer.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self.alive = False
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _more(self) -> None:
        data = await self._reader.read(_PIECE)
        if not data:
            raise EOFError
        self._buffer += data

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        # drain() does not yield while the kernel takes everything; the client in the same loop must have its turn.
        await asyncio.sleep(0)


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded" if status == 529 else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
