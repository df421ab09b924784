"""Reads one reply's bytes off its connection, with a watchdog that pings do not reset.

Per event it costs a few microseconds, a fraction of the SDK's own stream.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from agentd.core.exchange import ModelEvent
from agentd.models import faults
from agentd.models.faults import Where
from agentd.models.messages import Reply
from agentd.models.sse import EventBytes

if TYPE_CHECKING:
    import httpx2

_DRAIN_SECONDS: Final = 0.25


async def read_reply(response: "httpx2.Response", stall: float, where: Where) -> AsyncGenerator[ModelEvent]:
    """The reply's events as they come. Raises ``ModelFailed``, and what the transport and the parsing raise.

    ``stall`` in seconds; only time spent waiting counts: a consumer that is slow is no provider that stalls.
    """
    cutter, reply, chunks = EventBytes(), Reply(), response.aiter_bytes()
    now = asyncio.get_running_loop().time
    waited = 0.0
    while True:
        begun = now()
        try:
            # After the last event only the body's end is due: read, the connection can serve the next call.
            async with asyncio.timeout_at(begun + (_DRAIN_SECONDS if reply.stopped else stall - waited)):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            if reply.stopped:
                return
            raise faults.stalled(where, stall) from error
        waited += now() - begun
        for name, data in cutter.feed(chunk):
            if name == "ping":
                continue
            if name == "error":
                raise faults.from_event(data, where)
            event = json.loads(data)
            if event["type"] == "error":
                raise faults.from_event(data, where)
            waited = 0.0
            for said in reply.read(event):
                yield said
    if not reply.stopped:
        raise faults.cut_off(where)
