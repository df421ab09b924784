"""One client: who it is, its hello, its bytes in and out, and its end.

An ``asyncio.Protocol``, so that a message is served in the step of the loop in which its bytes come. What messages mean
is ``wire``'s; what waits to go out is the outbox's. Nothing that happens here reaches another connection.
"""

import asyncio
import logging
import os
import select
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from agentd.protocol import Published, Wire
from agentd.server import faults, hello, line, messages
from agentd.server.frames import BadFrame, FrameReader
from agentd.server.messages import Message, Refused, Response
from agentd.server.outbox import Outbox
from agentd.server.peer import peer_uid
from agentd.server.questions import Questions
from agentd.server.site import Site
from agentd.server.wire import Server, WireProtocol

logger = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
LINGER_SECONDS = 5.0
"""How long a closed connection may take to read what it was owed, and half-closed ones to be answered."""

STEP_SECONDS = 0.002
STEP_MESSAGES = 16
"""How long, and how many, one client's messages are served before their handlers and other clients have a turn. So
what is answered to a client that does not read is noticed before more is asked."""

WRITE_HIGH = 64 * 1024


class Connection(asyncio.Protocol):
    """A client, and what the workspace knows as ``Peer``."""

    def __init__(self, id: int, site: Site, ended: Callable[["Connection"], None]) -> None:  # noqa: A002
        self.id = id
        self.site = site
        self.name = ""
        self.version = ""
        self.cwd = ""
        self.environment: Mapping[str, str] = {}
        self.abilities: frozenset[str] = frozenset()
        """Which of ``agentd/approve``, ``save``, ``diagnostics`` the client answers: ``approve`` and so on."""
        self.greeted = False
        self.gone = False
        """Set before handlers are cancelled: then nobody asked to cancel."""
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._on_end = ended
        self._transport: asyncio.Transport | None = None
        self._wire: WireProtocol | None = None
        self._outbox = Outbox(self._loop.call_soon, self._heed_slowness)
        self._reader = FrameReader()
        self._first = bytearray()
        self._questions = Questions(self._loop, self._outbox.send)
        self._attached = False
        self._closing = False
        self._half_closed = False
        self._slow = False
        self._room = asyncio.Event()
        self._room.set()
        self._more = False
        self._reading_large = False
        self._timer: asyncio.TimerHandle | None = None

    # For the workspace and the daemon

    def publish(self, event: Published) -> None:
        """Hand an event over. Never blocks, never raises."""
        self._outbox.publish(event)

    def send(self, body: bytes) -> None:
        """Queue an answer."""
        self._outbox.send(body)
        if self._half_closed and not self.in_flight:
            self.close()

    def request(self, method: str, params: Wire | Mapping[str, Any]) -> "asyncio.Future[Any]":
        """Ask the client. The future has the result as JSON, or ``RequestFailed``; it is cancelled when the client is
        gone. Cancelling it tells the client to stop."""
        return self._questions.ask(method, params)

    def notify(self, method: str, params: Wire | Mapping[str, Any]) -> None:
        self._outbox.send(messages.notification(method, messages.encoded(params)))

    @property
    def in_flight(self) -> "tuple[asyncio.Task[Any], ...]":
        """Requests that are being served."""
        return self._wire.in_flight if self._wire else ()

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken."""
        return self._outbox.waiting

    def deafen(self) -> None:
        """Read no more: the daemon is ending, and what is being served is served to its end."""
        self._closing = True
        self._set_reading()

    def close(self) -> None:
        """Send what waits, then end. A client that does not read it has some seconds."""
        if self._transport is None or self._transport.is_closing():
            return
        self._closing = True
        self._outbox.flush_all()
        self._transport.close()
        self._after(LINGER_SECONDS, self._transport.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # For the wire

    def context(self) -> Any:
        return self.site.context(self)

    async def room(self) -> None:
        """Until the client has read most of what waits for it."""
        await self._room.wait()

    def initialized(self, name: str, abilities: frozenset[str]) -> None:
        self.name = name
        self.abilities = abilities
        self._attached = True
        self.site.attach(self)

    # For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        owner = peer_uid(transport.get_extra_info("socket"))
        if owner != os.geteuid():
            logger.warning("client %d refused: it belongs to user %s", self.id, owner)
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._after(HELLO_SECONDS, lambda: self._refuse("no hello came in time"))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self.greeted:
            self._reader.feed(data)
            self._serve()
        else:
            self._greet(data)

    def eof_received(self) -> bool:
        """The client sends no more. It may still read: what it asked is answered, within reason."""
        if self.in_flight and not self._closing and self._may_still_read():
            self._half_closed = True
            self._after(LINGER_SECONDS, self.close)
        else:
            self.close()
        return True

    def pause_writing(self) -> None:
        self._outbox.pause()

    def resume_writing(self) -> None:
        self._outbox.resume()

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        self._outbox.abandon()
        if self._attached:
            self._attached = False
            self._guarded(lambda: self.site.detach(self))
        self._questions.end()
        if self._wire is not None:
            self._wire.cancel_all()
        self.ended.set_result(None)
        self._on_end(self)

    # Hello

    def _greet(self, data: bytes) -> None:
        self._first += data
        if not self._first.startswith(b"{") or len(self._first) > hello.MAX_HELLO:
            self._refuse("no hello")
            return
        end = self._first.find(b"\n")
        if end < 0:
            return
        said = line.parse(bytes(self._first[:end])) or {}
        rest = bytes(self._first[end + 1 :])
        self._first.clear()
        version, cwd, environment = said.get("version"), said.get("cwd"), said.get("environment")
        if said.get("agentd") is True or said.get("agentd") != hello.HELLO or not isinstance(version, str):
            self._refuse("a hello that this version does not know")
            return
        self.version = version
        self.cwd = cwd if isinstance(cwd, str) else ""
        if isinstance(environment, dict):
            self.environment = {n: v for n, v in environment.items() if n in hello.ALLOWED and isinstance(v, str)}
        if self._timer is not None:
            self._timer.cancel()
        assert self._transport is not None
        self._transport.write(hello.of_server(self.site.version, self.site.root, self.site.idle()))
        self.greeted = True
        self._outbox.open(self._transport)
        self._wire = Server(self).protocol
        if rest:
            self.data_received(rest)

    def _refuse(self, reason: str) -> None:
        logger.warning("client %d refused: %s", self.id, reason)
        self._closing = True
        if self._transport is not None:
            self._transport.write(hello.refusal(f"agentd refused this connection: {reason}"))
            self._transport.close()
            self._after(LINGER_SECONDS, self._transport.abort)

    # Messages

    def _serve(self) -> None:
        """Serve whole messages; after a while others have their turn, then this one goes on."""
        self._more = False
        until = self._loop.time() + STEP_SECONDS
        served = 0
        while not (self._closing or self._slow or self._reading_large):
            served += 1
            try:
                body = self._reader.next()
                if body is None:
                    break
                if len(body) > messages.LARGE:
                    self._serve_large(body)
                else:
                    self._serve_one(partial(messages.read, body))
            except BadFrame as bad:
                self._outbox.send(messages.error(None, bad.code, bad.message))
                if bad.lost:
                    logger.warning("client %d: %s", self.id, bad.message)
                    self.close()
            if served >= STEP_MESSAGES or self._loop.time() > until:
                self._more = True
                self._loop.call_soon(self._serve)
                break
        self._set_reading()

    def _serve_large(self, body: bytes) -> None:
        """Read on a thread, so that others are served meanwhile. What this client sent after it waits, unread."""

        def read(done: asyncio.Future[Message]) -> None:
            self._reading_large = False
            if not (self.gone or self._closing or done.cancelled()):
                self._serve_one(done.result)
                self._serve()

        self._reading_large = True
        self._loop.run_in_executor(None, messages.read, body).add_done_callback(read)

    def _serve_one(self, read: Callable[[], Message]) -> None:
        assert self._wire is not None
        try:
            message = read()
            if isinstance(message, Response):
                self._questions.answered(message)
            else:
                self._wire.take(message)
        except Refused as refused:
            logger.info("client %d: message refused (%d)", self.id, refused.code)
            self._outbox.send(messages.error(refused.id, refused.code, refused.message))
        except Exception as error:
            # Not foreseen, and this client's alone.
            faults.note(logger, f"client {self.id}: a message", error)
            self.close()

    # Flow

    def _heed_slowness(self, slow: bool) -> None:
        self._slow = slow
        if slow:
            self._room.clear()
            self._set_reading()
        else:
            self._room.set()
            self._loop.call_soon(self._serve)

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wanted = not (self._closing or self._slow or self._more or self._reading_large)
        if wanted and not transport.is_reading():
            transport.resume_reading()
        elif not wanted and transport.is_reading():
            transport.pause_reading()

    def _may_still_read(self) -> bool:
        """Whether the other end closed one direction only, as ``shutdown`` does, and not both."""
        assert self._transport is not None
        watch = select.poll()
        watch.register(self._transport.get_extra_info("socket").fileno(), 0)
        return not watch.poll(0)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, act)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            faults.note(logger, f"client {self.id}: leaving", error)
