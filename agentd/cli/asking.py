"""One question to the daemon, one answer: what the quick commands are made of.

They speak in JSON objects over a ``Link``: pydantic and the protocol's types would cost more than all the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from agentd.cli import output
from agentd.client.dial import Address, linked
from agentd.client.link import Link

if TYPE_CHECKING:
    from socket import socket

T = TypeVar("T")


def ask(place: Address, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The daemon's answer to one request."""

    async def once(link: Link) -> dict[str, Any]:
        return given(await link.request(method, params))

    return with_link(place, once)


def with_link(place: Address, work: Callable[[Link], Awaitable[T]]) -> T:
    """What this work makes of a connection to the daemon, which is started if there is none."""
    opened = place.open()
    assert opened is not None
    return asyncio.run(_connected(opened, place, work))


def if_running(place: Address, work: Callable[[Link], Awaitable[T]]) -> T | None:
    """The same with the daemon that runs; None when there is none."""
    opened = place.open(start=False)
    return None if opened is None else asyncio.run(_connected(opened, place, work))


async def _connected(opened: "socket", place: Address, work: Callable[[Link], Awaitable[T]]) -> T:
    link = await linked(opened, on_event=_heard)
    try:
        await link.initialize(place.resolved(), {})
        return await work(link)
    finally:
        await link.close()


def _heard(params: dict[str, Any]) -> None:
    """A session that was opened for this is damaged: what is read of it is not all."""
    event = given(params.get("event"))
    if event.get("type") == "notice" and event.get("kind") == "store":
        output.note(output.one_line(str(event.get("message"))))


def given(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}


def present(**params: Any) -> dict[str, Any]:
    """Only what was given: absent rather than null."""
    return {name: value for name, value in params.items() if value is not None}
