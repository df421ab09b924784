"""``agentd/session/events`` and ``/blob``: what a session keeps beside its turns."""

from base64 import b64encode

import anyio.to_thread

from agentd.core.media import media_type
from agentd.errors import TooLarge
from agentd.protocol import BlobParams, BlobResult, EventsParams, EventsResult
from agentd.server.handlers.context import Context

LARGEST = 32 << 20
"""Bytes of a blob that one answer holds: base64 makes them a third more, and a client's frames end at 64 MB."""


async def events(context: Context, params: EventsParams) -> EventsResult:
    async with context.workspace.using(params.session_id) as session:
        found = await session.log.events(params.after, params.limit)
    last = found.events[-1].get("seq") if found.more and found.events else None
    return EventsResult(events=tuple(dict(one) for one in found.events), next_after=last)


async def blob(context: Context, params: BlobParams) -> BlobResult:
    async with context.workspace.using(params.session_id) as session:
        data = await session.log.blob(params.hash)
    if len(data) > LARGEST:
        raise TooLarge(f"The blob is {len(data)} bytes; an answer holds {LARGEST} at most.", bytes=len(data))
    return await anyio.to_thread.run_sync(_result, data)


def _result(data: bytes) -> BlobResult:
    return BlobResult(content=b64encode(data).decode(), media_type=media_type(data))
