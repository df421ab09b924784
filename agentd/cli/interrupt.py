"""Ctrl-C while a turn streams: the first stops the turn, and what was streamed is kept; the second leaves at once.

A terminal that is closed, and a request to end, send the turn to the background, if there is still time, and end the
process as they always do.

Ctrl-\\ (a signal as well, so that what is typed ahead is left alone) sends the turn to the background and leaves it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from agentd.cli import output
from agentd.client.streams import TurnStream
from agentd.client.typed import Client
from agentd.errors import AgentdError

ENDS = (signal.SIGHUP, signal.SIGTERM)
LAST_SECONDS = 2.0


class Interrupts:
    """``with Interrupts(client, stream):`` around the loop over the stream.

    ``hit``: Ctrl-C has come; ``detached``: the turn is in the background now.
    """

    def __init__(self, client: Client, stream: TurnStream) -> None:
        self._client = client
        self._stream = stream
        self._asking: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._quit_before: Any = signal.SIG_DFL
        self._ends: list[signal.Signals] = []
        self.hit = False
        self.detached = False

    def __enter__(self) -> "Interrupts":
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        self._quit_before = signal.getsignal(signal.SIGQUIT)
        loop.add_signal_handler(signal.SIGQUIT, self._detach)
        for end in ENDS:
            if signal.getsignal(end) is signal.SIG_DFL:  # not ignored, as by nohup
                loop.add_signal_handler(end, self._end, end)
                self._ends.append(end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGQUIT)
        for end in self._ends:
            loop.remove_signal_handler(end)
        signal.signal(signal.SIGQUIT, self._quit_before)
        if self._asking is not None:
            self._asking.cancel()

    def look(self) -> None:
        """The turn may only now be known that was to be stopped before it was."""
        if self.hit and self._asking is None:
            self._begin()

    def _interrupt(self) -> None:
        if self.hit or not self._client.connected:
            self._leave()
        self.hit = True
        self._begin()

    def _begin(self) -> None:
        if self._stream.place is not None:
            self._ask(self._stop(*self._stream.place))

    def _detach(self) -> None:
        if self._stream.place is not None and not self.hit:
            self._ask(self._to_background(self._stream.place[0]))

    def _end(self, kind: signal.Signals) -> None:
        self._ask(self._leave_and_end(kind))

    async def _leave_and_end(self, kind: signal.Signals) -> None:
        await self.to_background()
        signal.signal(kind, signal.SIG_DFL)
        os.kill(os.getpid(), kind)

    async def to_background(self) -> None:
        """Nobody watches any more: best effort, within moments."""
        if self._stream.place is not None:
            with contextlib.suppress(AgentdError, TimeoutError, OSError):
                await asyncio.wait_for(self._client.detach(self._stream.place[0]), LAST_SECONDS)

    def _ask(self, request: Coroutine[None, None, None]) -> None:
        self._asking = asyncio.create_task(request)

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _stop(self, session: str, turn: int) -> None:
        try:
            await self._client.interrupt(session, turn)
        except AgentdError as error:
            output.note(f"The turn could not be stopped: {error.message}")
            self._leave()

    async def _to_background(self, session: str) -> None:
        try:
            await self._client.detach(session)
        except AgentdError as error:
            output.note(f"The turn could not be sent to the background: {error.message}")
            return
        self.detached = True
        self._leave()
