"""One connection to the daemon: JSON-RPC with LSP headers over a stream, requests out, events and requests in.

Owns framing and the matching of answers. Knows no method but the two that open a connection; speaks in JSON objects,
so that a command that wants one answer pays for no types.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agentd.client.failures import ConnectionLost, failure_of

RequestHandlers = Mapping[str, Callable[[dict[str, Any]], Awaitable[Any]]]
"""Answers to the daemon's requests: method name to coroutine function of the params."""

OnEvent = Callable[[dict[str, Any]], None]
HEADER_LIMIT = 8192
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603


async def _dismissed(_params: dict[str, Any]) -> None:
    """Nobody looks at a script's message boxes: closed without an answer, which is no answer."""


class Link:
    """An open connection. ``closed`` is resolved when it ends, from either side."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        on_event: OnEvent | None = None,
        handlers: RequestHandlers | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._handlers: RequestHandlers = {"window/showMessageRequest": _dismissed, **(handlers or {})}
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._answering: set[asyncio.Task[None]] = set()
        self.lost: ConnectionLost | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(), name="agentd-link")

    async def initialize(self, root: str, capabilities: Mapping[str, bool]) -> dict[str, Any]:
        """The LSP handshake; the daemon's own capabilities."""
        answer = await self.request("initialize", {
            "processId": os.getpid(),
            "clientInfo": {"name": "agentd-client"},
            "rootUri": f"file://{root}",
            "capabilities": {"experimental": {"agentd": dict(capabilities)}},
        })  # fmt: skip
        self.notify("initialized", {})
        own = answer.get("capabilities", {}).get("experimental", {}).get("agentd", {})
        return own if isinstance(own, dict) else {}

    async def request(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result; raises the error of ``agentd.errors`` that the daemon answered, or ConnectionLost."""
        if self.lost is not None:
            raise ConnectionLost(self.lost.message)
        self._next_id += 1
        request_id = self._next_id
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            self._send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
            await self._drain()
            return await answer
        finally:
            self._waiting.pop(request_id, None)

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def close(self) -> None:
        """Leave. Turns that run go on."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        with contextlib.suppress(OSError):
            self._writer.close()
            await self._writer.wait_closed()

    async def _drain(self) -> None:
        with contextlib.suppress(OSError):  # the reading side reports the loss
            await self._writer.drain()

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
        self._writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _read(self) -> None:
        """Until the connection ends, whoever ends it; then nobody waits any longer."""
        reason = "The connection to the agentd daemon was lost"
        try:
            while True:
                self._take(json.loads(await self._frame()))
        except (asyncio.IncompleteReadError, OSError):
            pass
        except (ValueError, asyncio.LimitOverrunError) as error:
            reason = f"The daemon sent what is no protocol message ({error})"
        finally:
            self._end(ConnectionLost(reason))

    async def _frame(self) -> bytes:
        header = await self._reader.readuntil(b"\r\n\r\n")
        for line in header.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                return await self._reader.readexactly(int(value))
        raise ValueError("no Content-Length")

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._answered(message)
        elif "id" in message:
            task = asyncio.create_task(self._answer(message["id"], method, message.get("params") or {}))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif method == "agentd/event" and self._on_event is not None:
            self._on_event(message["params"])

    def _answered(self, message: dict[str, Any]) -> None:
        """An answer that nobody waits for any longer is dropped."""
        waiting = self._waiting.get(message.get("id", 0))
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(failure_of(message["error"]))
        else:
            waiting.set_result(message.get("result"))

    async def _answer(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        handler = self._handlers.get(method)
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
        if handler is None:
            reply["error"] = {"code": METHOD_NOT_FOUND, "message": f"{method} is not handled by this client"}
        else:
            try:
                reply["result"] = await handler(params)
            except Exception as error:  # the daemon's request must be answered, whatever a user's handler does
                reply["error"] = {"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}"}
        self._send(reply)
        await self._drain()

    def _end(self, lost: ConnectionLost) -> None:
        self.lost = lost
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionLost(lost.message))
        for task in self._answering:
            task.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
