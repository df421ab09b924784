"""Plays an answer on a connection: paces, splits, records, and breaks it where the script says so."""

import asyncio
from typing import TypeAlias

from .errors import error_body, kind_of
from .events import PING, Delta, Emit, encode, steps
from .exchange import Exchange
from .fold import Fold
from .http import HttpConnection
from .script import Cut, Delay, Eof, ErrorEvent, Http, Raw, Reply, Reset, Split, Stall, Wait

Ending: TypeAlias = Eof | Cut | Reset | Stall | ErrorEvent


class _Writes:
    """Puts events into writes as `split` asks."""

    def __init__(self, connection: HttpConnection, split: Split) -> None:
        self._connection = connection
        self._split = split
        self._buffer = bytearray()

    async def put(self, data: bytes) -> None:
        if self._split == "event":
            await self._connection.chunk(data)
            return
        self._buffer += data
        if self._split != "whole":
            while len(self._buffer) >= self._split:
                await self._connection.chunk(bytes(self._buffer[: self._split]))
                del self._buffer[: self._split]

    async def flush(self) -> None:
        if self._buffer:
            await self._connection.chunk(bytes(self._buffer))
            self._buffer.clear()


async def play_http(answer: Http, connection: HttpConnection, request_id: str) -> None:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    if body is None:
        kind = kind_of(answer.status)
        body = error_body(kind, "Overloaded" if answer.status == 529 else f"scripted {kind}", request_id)
    headers = (("content-type", answer.content_type), ("request-id", request_id), *answer.headers)
    await connection.respond(answer.status, headers, body)


async def play_reply(reply: Reply, connection: HttpConnection, exchange: Exchange, prompt_tokens: int) -> None:
    for early in reply.before:
        if isinstance(early, Delay | Wait):
            await _pause(early)
        elif isinstance(early, Stall):
            await _never()
        else:
            exchange.end("broken")
            connection.reset() if isinstance(early, Reset) else connection.cut()
            return
    play = _play_stream if exchange.body.get("stream") else _play_whole
    await play(reply, connection, exchange, prompt_tokens)


async def _play_stream(reply: Reply, connection: HttpConnection, exchange: Exchange, prompt_tokens: int) -> None:
    headers = (
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("request-id", exchange.request_id),
    )
    await connection.begin(200, headers)
    writes = _Writes(connection, reply.split)
    for step in steps(reply, exchange.body["model"], prompt_tokens):
        match step:
            case Emit():
                await writes.put(encode(step))
            case Delta():
                await writes.put(encode(step.emit(exchange.record(step.kind, step.text))))
                if reply.delay is not None:
                    await writes.flush()
                    await asyncio.sleep(reply.delay)
            case Raw():
                await writes.put(step.data)
            case Delay() | Wait():
                await writes.flush()
                await _pause(step)
            case _:
                await writes.flush()
                await _break_stream(step, connection, exchange)
                return
    await writes.flush()
    exchange.end("answered")
    await connection.end()


async def _break_stream(fault: Ending, connection: HttpConnection, exchange: Exchange) -> None:
    if not isinstance(fault, Stall):
        exchange.end("broken")
    match fault:
        case Eof():
            await connection.end()
        case Cut():
            connection.cut()
        case Reset():
            connection.reset()
        case ErrorEvent():
            body = error_body(fault.kind, fault.message, exchange.request_id)
            await connection.chunk(b"event: error\ndata: " + body + b"\n\n")
            await connection.end()
        case Stall(pings=None):
            await _never()
        case Stall(pings=seconds):
            while seconds is not None:
                await connection.chunk(encode(PING))
                await asyncio.sleep(seconds)


async def _play_whole(reply: Reply, connection: HttpConnection, exchange: Exchange, prompt_tokens: int) -> None:
    """The same reply in one JSON body. What is odd about a stream has no place here; a fault comes half-way in it."""
    headers = (("content-type", "application/json"), ("request-id", exchange.request_id))
    message = Fold()
    for step in steps(reply, exchange.body["model"], prompt_tokens):
        match step:
            case Emit():
                message.take(step)
            case Delta():
                exchange.record(step.kind, step.text)
                message.take(step)
            case Delay() | Wait():
                await _pause(step)
            case Raw():
                pass
            case ErrorEvent():
                status = 529 if step.kind == "overloaded_error" else 500
                body = error_body(step.kind, step.message, exchange.request_id)
                exchange.end("broken")
                await connection.respond(status, headers, body)
                return
            case Stall():
                await _never()
            case _:
                exchange.end("broken")
                await connection.begin_short(200, headers, message.encode())
                connection.reset() if isinstance(step, Reset) else connection.cut()
                return
    exchange.end("answered")
    await connection.respond(200, headers, message.encode())


async def _pause(step: Delay | Wait) -> None:
    if isinstance(step, Delay):
        await asyncio.sleep(step.seconds)
    else:
        await step.gate.pass_through()


async def _never() -> None:
    """Until the client hangs up or the server stops, either of which cancels the playing."""
    await asyncio.Event().wait()
