"""A small workspace with a few handlers: what a daemon's edge needs of its inside, and no more."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentd.errors import SessionNotFound
from agentd.protocol import (
    ChatParams,
    Empty,
    EventParams,
    ItemDelta,
    NameParams,
    Published,
    ResumeParams,
    SessionParams,
    ShutdownParams,
    StatusResult,
    Wire,
)
from agentd.server.connection import Connection
from agentd.server.site import Handler


@dataclass
class Heard:
    """Documents as the edge reports them."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    texts: dict[tuple[int, str], str] = field(default_factory=dict)

    def opened(self, peer: int, uri: str, text: str, version: int) -> None:
        self.calls.append(("opened", uri, version))
        self.texts[peer, uri] = text

    def changed(self, peer: int, uri: str, text: str, version: int) -> None:
        self.calls.append(("changed", uri, version))
        self.texts[peer, uri] = text

    def saved(self, peer: int, uri: str) -> None:
        self.calls.append(("saved", uri))

    def closed(self, peer: int, uri: str) -> None:
        self.calls.append(("closed", uri))
        self.texts.pop((peer, uri), None)


@dataclass
class Inside:
    """A workspace of nothing. ``cancelled`` says of each cancelled chat whether its client was gone."""

    documents: Heard = field(default_factory=Heard)
    peers: dict[int, Connection] = field(default_factory=dict)
    busy: bool = False
    closed: bool = False
    cancelled: "asyncio.Queue[bool]" = field(default_factory=asyncio.Queue)
    chats: "asyncio.Queue[ChatParams]" = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    stop: Callable[[], None] = lambda: None
    begun: int = 0
    paper: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when ``agentd/session/search`` may answer."""

    def attach(self, peer: Connection) -> None:
        self.peers[peer.id] = peer

    def detach(self, peer: Connection) -> None:
        del self.peers[peer.id]
        self.left.set()

    async def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Given:
    inside: Inside
    peer: Connection


@dataclass(frozen=True)
class Later:
    result: Wire
    then: Callable[[], None]


def delta(seq: int, text: str, item: str = "1.1", session: str = "s") -> Published:
    return Published(EventParams(seq=seq, session_id=session, event=ItemDelta(turn=1, item_id=item, text=text)))


async def status(given: Given, params: Empty) -> StatusResult:
    return StatusResult(
        version="0", protocol=1, pid=1, root="/", store="/", socket="/", connections=len(given.inside.peers),
        sessions={}, running=(), model="m", saving=True, started="now",
    )  # fmt: skip


async def chat(given: Given, params: ChatParams) -> Empty:
    """Runs until it is cancelled."""
    given.inside.chats.put_nowait(params)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        given.inside.cancelled.put_nowait(given.peer.gone)
        raise
    return Empty()


async def name(given: Given, params: NameParams) -> Empty:
    raise SessionNotFound(params.session_id)


async def clear(given: Given, params: Any) -> Empty:
    raise KeyError(params.session_id)


async def archive(given: Given, params: SessionParams) -> Empty:
    """Answers with as much as it is told to."""
    return Empty()


async def resume(given: Given, params: ResumeParams) -> Later:
    return Later(Empty(), lambda: given.peer.publish(delta(1, "after the answer")))


async def turns(given: Given, params: Any) -> NameParams:
    return NameParams(session_id=params.session_id, name="x" * params.limit * 1000)


async def search(given: Given, params: Any) -> NameParams:
    """A megabyte, when there is paper."""
    given.inside.begun += 1
    await given.inside.paper.wait()
    return NameParams(session_id="s", name="x" * 1_000_000)


async def shutdown(given: Given, params: ShutdownParams) -> Later:
    return Later(Empty(), given.inside.stop)


HANDLERS: Mapping[str, Handler] = {
    "agentd/status": status,
    "agentd/chat": chat,
    "agentd/session/name": name,
    "agentd/session/clear": clear,
    "agentd/session/archive": archive,
    "agentd/session/resume": resume,
    "agentd/session/turns": turns,
    "agentd/session/search": search,
    "agentd/shutdown": shutdown,
}

COMMANDS = {"agentd.resume": "agentd/session/resume", "agentd.name": "agentd/session/name"}
