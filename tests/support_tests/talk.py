"""How these tests talk to the server: the real SDK's client, and the smallest request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from anthropic import AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent

from tests.support.messages_api import MessagesApi

HELLO: dict[str, Any] = {
    "model": "claude-scripted-1",
    "max_tokens": 4096,
    "messages": [{"role": "user", "content": "Hello"}],
}


@asynccontextmanager
async def sdk(url: str, *, unix: Path | None = None, key: str = "test-key") -> AsyncIterator[AsyncAnthropic]:
    # Connections are not kept, so that each test sees the end of its own.
    transport = httpx2.AsyncHTTPTransport(uds=None if unix is None else str(unix))
    async with httpx2.AsyncClient(transport=transport) as http:
        yield AsyncAnthropic(base_url=url, api_key=key, max_retries=0, http_client=http)


async def stream(client: AsyncAnthropic, request: dict[str, Any]) -> AsyncIterator[RawMessageStreamEvent]:
    """The events of one streamed reply, as the SDK hands them out."""
    async with await client.messages.create(**request, stream=True) as events:
        async for event in events:
            yield event


async def final_message(api: MessagesApi) -> Message:
    """What the SDK's helper makes of a streamed reply."""
    async with sdk(api.url) as client, client.messages.stream(**HELLO) as events:
        return await events.get_final_message()


async def read_all(api: MessagesApi, *, unix: Path | None = None) -> tuple[list[str], str, Exception | None]:
    """What a streamed reply looked like to the SDK: event types, the text, and what was raised."""
    kinds: list[str] = []
    text = ""
    async with sdk(api.url, unix=unix) as client:
        try:
            async for event in stream(client, HELLO):
                kinds.append(event.type)
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    text += event.delta.text
        except Exception as error:
            return kinds, text, error
    return kinds, text, None
