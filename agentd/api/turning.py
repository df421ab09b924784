"""Running a turn through a client, its events shown, and stopped when its caller is cancelled."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence

from agentd.api.failures import TurnFailed
from agentd.api.modules import DisplaySystem, Level
from agentd.client.streams import TurnStream
from agentd.client.typed import Client
from agentd.errors import AgentdError, SessionBusy
from agentd.protocol import ContextItem, Event, Item, ItemDelta, ItemEnded, ItemStarted, Notice, Turn, TurnEvent

log = logging.getLogger("agentd.api")


class Shown:
    """A display, and which items' text goes there. One that raises is logged and left out from then on."""

    def __init__(self, display: DisplaySystem | None) -> None:
        self._display = display
        self._texts: set[str] = set()

    async def event(self, event: Event) -> None:
        match event:
            case ItemStarted(item=Item(kind="text", id=item_id, text=text)):
                self._texts.add(item_id)
                if text:
                    await self._text(text)
            case ItemDelta(item_id=item_id, text=text) if item_id in self._texts:
                await self._text(text)
            case ItemEnded(item=Item(kind="notice", text=text)) if text:
                await self.message(text, "info", "turn")
            case Notice(kind=kind, message=message, ok=ok):
                await self.message(message, "error" if ok is False else "warning", kind)
            case TurnEvent(type="turn/queued"):
                await self.message("Another turn of this session runs: the prompt waits for its end.", "info", "queue")

    async def message(self, text: str, level: Level, source: str) -> None:
        if self._display is not None:
            await self._shown(lambda display: display.show_message(text, level, source))

    async def _text(self, text: str) -> None:
        if self._display is not None:
            await self._shown(lambda display: display.show_text(text))

    async def _shown(self, show: Callable[[DisplaySystem], Awaitable[None] | None]) -> None:
        assert self._display is not None
        try:
            shown = show(self._display)
            if inspect.isawaitable(shown):
                await shown
        except Exception:
            log.exception("The display failed; the turn goes on without it")
            self._display = None


async def run_turn(
    client: Client,
    prompt: str,
    shown: Shown,
    *,
    session: str | None = None,
    name: str | None = None,
    context: Sequence[ContextItem] = (),
    model: str | None = None,
) -> TurnStream:
    """The prompt's turn, over, however it ended. ``name`` makes the session at its first use.

    When the caller is cancelled the turn is interrupted, and what was streamed is kept; that is waited for.
    """
    stream = client.chat(prompt, session=session, name=name, create=name is not None, context=context, model=model)
    try:
        async for event in stream:
            await shown.event(event)
            if isinstance(event, Notice) and event.kind == "queue" and _waits(stream):
                await _stop(client, stream)
                raise SessionBusy(f"{event.message} This prompt was not kept.")
    except asyncio.CancelledError:
        stopping = asyncio.ensure_future(_stop(client, stream))
        with contextlib.suppress(AgentdError):  # a lost connection: the daemon goes on, and keeps what comes
            await asyncio.shield(stopping)
        raise
    return stream


def ended(turn: Turn | None) -> Turn:
    """The turn, when it has a whole reply. Raises TurnFailed otherwise."""
    assert turn is not None
    if turn.status != "completed":
        raise TurnFailed(turn)
    return turn


def _waits(stream: TurnStream) -> bool:
    return stream.turn is not None and stream.turn.status == "queued"


async def _stop(client: Client, stream: TurnStream) -> None:
    """Interrupt the turn, once it is known which one it is, and wait for its end."""
    while stream.place is None:
        try:
            await anext(stream)
        except StopAsyncIteration:
            return
    if stream.turn is None or stream.turn.status in ("running", "queued", "waiting"):
        await client.interrupt(*stream.place)
