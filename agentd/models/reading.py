"""Reads one reply's bytes off its connection, with a watchdog that pings do not reset.

What arrives together is given out together: neighbouring pieces of a text become one, so that a quick stream costs
everyone after this less. Nothing that came before a fault is lost.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final

from agentd.core.exchange import BlockDelta, ModelEvent
from agentd.models import faults
from agentd.models.faults import Where
from agentd.models.messages import Reply
from agentd.models.sse import EventBytes
from agentd.models.watchdog import Watchdog

if TYPE_CHECKING:
    import httpx2

_DRAIN_SECONDS: Final = 0.25


async def read_reply(response: "httpx2.Response", stall: float, where: Where) -> AsyncGenerator[ModelEvent]:
    """The reply's events as they come; ``stall`` in seconds.

    Raises ``ModelFailed``, and what the transport and the parsing raise.
    """
    chunks, parser = response.aiter_bytes(), _Parser(where)
    watchdog = Watchdog(stall)
    try:
        while not parser.reply.stopped:
            watchdog.wait()
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                raise faults.cut_off(where) from None
            except asyncio.CancelledError:
                if watchdog.bit():
                    raise faults.stalled(where, stall) from None
                raise
            finally:
                watchdog.rest()
            events, fault = parser.read(chunk)
            if parser.alive:
                watchdog.alive()
            for event in events:
                yield event
            if fault is not None:
                raise fault
    finally:
        watchdog.close()
    await _drain(chunks)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """The end of the body, which follows the last event at once: once it is read the connection can serve again."""
    # The reply is whole. Whatever is wrong with the connection now is not this turn's business.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in chunks:
                pass


class _Parser:
    """From chunks to events. ``alive`` says whether the last chunk held more than pings."""

    __slots__ = ("_cutter", "_where", "alive", "reply")

    def __init__(self, where: Where) -> None:
        self.reply = Reply()
        self.alive = False
        self._cutter = EventBytes()
        self._where = where

    def read(self, chunk: bytes) -> tuple[list[ModelEvent], Exception | None]:
        """The events in this chunk up to a fault, and the fault."""
        events: list[ModelEvent] = []
        self.alive = False
        try:
            for name, data in self._cutter.feed(chunk):
                if name == "ping":
                    continue
                if name == "error":
                    return events, faults.from_event(data, self._where)
                event = json.loads(data.decode())
                if event["type"] == "error":
                    return events, faults.from_event(data, self._where)
                self.alive = self.alive or event["type"] != "ping"
                for said in self.reply.read(event):
                    if isinstance(said, BlockDelta) and events and isinstance(before := events[-1], BlockDelta):
                        events[-1] = BlockDelta(before.text + said.text)
                    else:
                        events.append(said)
        except Exception as error:
            return events, error
        return events, None
