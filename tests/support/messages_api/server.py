"""The server: accepts, validates, takes the script's next answer, plays it, and remembers all of it.

It lives inside one `async with`, on the caller's loop; leaving it ends every connection and task. It must not know what
the tests are about, and imports nothing of the product.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from .errors import ApiError, error_body
from .exchange import Exchange
from .http import HttpConnection, HttpRequest
from .playing import play_http, play_reply
from .prompter import Prompter
from .routes import COUNT_TOKENS, MESSAGES, answer_at_once
from .schema import CreateMessage
from .script import Answer, Http, Script
from .validate import Rules, admit, count_tokens


class MessagesApi:
    """`requests` are the `POST /v1/messages` in order of arrival; `unexpected` says what the script did not foresee,
    which fails the test when the context is left."""

    def __init__(
        self,
        script: Script = (),
        *,
        default: Answer | None = None,
        rules: Rules | None = None,
        unix: Path | None = None,
    ) -> None:
        self._prompter = Prompter(script, default)
        self._unix = unix
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.rules = rules or Rules()
        self.url = ""
        self.requests: list[Exchange] = []
        self.counted: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        if self._unix is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            port = self._server.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
        else:
            self._server = await asyncio.start_unix_server(self._accept, self._unix)
            self.url = "http://localhost"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        # A task that is cancelled before its first step would never close its connection.
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self._unix is not None:
            self._unix.unlink(missing_ok=True)
        if error is None:
            self._prompter.check()

    @property
    def unexpected(self) -> list[str]:
        return self._prompter.unexpected

    @property
    def refused(self) -> list[Exchange]:
        return [exchange for exchange in self.requests if exchange.refusal is not None]

    async def wait_for_request(self, number: int = 1) -> Exchange:
        """Request `number`, counted from 1, as soon as it has arrived."""
        while len(self.requests) < number:
            await self._news.wait()
        return self.requests[number - 1]

    async def wait_ended(self, number: int = 1) -> Exchange:
        """Request `number` after its answer ended, in whatever way."""
        exchange = await self.wait_for_request(number)
        await exchange.ended.wait()
        return exchange

    async def wait_disconnected(self, number: int = 1) -> Exchange:
        """Request `number` after its client hung up in the middle of the answer."""
        exchange = await self.wait_ended(number)
        if exchange.outcome != "disconnected":
            raise AssertionError(f"request {number} was not hung up on: it was {exchange.outcome}")
        return exchange

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(HttpConnection(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: HttpConnection) -> None:
        try:
            # An OSError is a client that went away while it was written to; the exchange has it in its outcome.
            with contextlib.suppress(OSError):
                await self._converse(connection)
        finally:
            await connection.close()

    async def _converse(self, connection: HttpConnection) -> None:
        try:
            while connection.alive and (request := await connection.read()) is not None:
                await self._answer(connection, request)
        except ApiError as error:
            await _refuse(connection, error, _request_id())

    async def _answer(self, connection: HttpConnection, request: HttpRequest) -> None:
        if (request.method, request.path) == ("POST", MESSAGES):
            await self._messages(connection, request)
            return
        request_id = _request_id()
        try:
            answer = answer_at_once(request, self.rules)
        except ApiError as error:
            await _refuse(connection, error, request_id)
            return
        if request.path == COUNT_TOKENS:
            self.counted.append(json.loads(request.body))
        await play_http(Http(200, json.dumps(answer)), connection, request_id)

    async def _messages(self, connection: HttpConnection, request: HttpRequest) -> None:
        exchange = Exchange(len(self.requests) + 1, request, _body(request.body), _request_id())
        self.requests.append(exchange)
        self._news.set()
        self._news = asyncio.Event()
        try:
            admitted = admit(CreateMessage, request.headers, request.body, self.rules)
        except ApiError as error:
            exchange.refusal = error
            exchange.end("refused")
            await _refuse(connection, error, exchange.request_id)
            return
        playing = asyncio.ensure_future(self._play(connection, exchange, count_tokens(admitted)))
        hangup = asyncio.ensure_future(connection.until_closed())
        try:
            await asyncio.wait((playing, hangup), return_when=asyncio.FIRST_COMPLETED)
            if playing.done() and (failure := playing.exception()) is not None and not isinstance(failure, OSError):
                self._prompter.unforeseen(f"answering request {exchange.number} failed: {failure!r}")
                connection.cut()
            exchange.end("disconnected")
        finally:
            for task in (playing, hangup):
                task.cancel()
            await asyncio.gather(playing, hangup, return_exceptions=True)
            exchange.end("stopped")

    async def _play(self, connection: HttpConnection, exchange: Exchange, prompt_tokens: int) -> None:
        answer = self._prompter.next(exchange)
        if isinstance(answer, Http):
            exchange.end("answered")
            await play_http(answer, connection, exchange.request_id)
            return
        await play_reply(answer, connection, exchange, prompt_tokens)


async def _refuse(connection: HttpConnection, error: ApiError, request_id: str) -> None:
    body = error_body(error.kind, error.message, request_id)
    await connection.respond(error.status, (("content-type", "application/json"), ("request-id", request_id)), body)


def _request_id() -> str:
    return f"req_{uuid4().hex[:24]}"


def _body(raw: bytes) -> dict[str, Any]:
    """The body to record; an unreadable one is empty here, and refused right after."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
