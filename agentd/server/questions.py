"""The daemon's own requests to one client, and the client's answers. Their ids have nothing to do with the client's."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from agentd.protocol import Wire
from agentd.server import messages
from agentd.server.messages import Response


class RequestFailed(Exception):
    """A client answered a request of ours with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Questions:
    """Those that are open. Ends with the connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._send = send
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._ended = False

    def ask(self, method: str, params: Wire | Mapping[str, Any]) -> "asyncio.Future[Any]":
        """Send a request. The future has the result as JSON, or ``RequestFailed``; it is cancelled when the client is
        gone. Cancelling it tells the client to stop."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._ended:
            future.cancel()
            return future
        self._last += 1
        number = self._last
        self._open[number] = future
        future.add_done_callback(lambda done: self._done(number, done))
        self._send(messages.request(number, method, messages.encoded(params)))
        return future

    def answered(self, response: Response) -> None:
        """An answer came. Late ones, and those to nothing, change nothing."""
        future = self._open.get(response.id) if isinstance(response.id, int) else None
        if future is None or future.done():
            return
        if response.error is None:
            future.set_result(response.result)
            return
        problem = response.error if isinstance(response.error, dict) else {}
        code, text = problem.get("code"), problem.get("message")
        code = code if isinstance(code, int) else messages.INTERNAL_ERROR
        future.set_exception(RequestFailed(code, str(text or "no reason given")))

    def end(self) -> None:
        """The client is gone."""
        self._ended = True
        for future in list(self._open.values()):
            future.cancel()

    def _done(self, number: int, future: "asyncio.Future[Any]") -> None:
        if self._open.pop(number, None) is not None and future.cancelled() and not self._ended:
            self._send(messages.notification("$/cancelRequest", messages.encode({"id": number})))
