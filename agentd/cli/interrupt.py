"""Ctrl-C while a turn streams: the first stops the turn, which keeps what was streamed; the second leaves at once."""

import asyncio
import signal
from types import TracebackType

from agentd.cli import output
from agentd.client.streams import TurnStream
from agentd.client.typed import Client
from agentd.errors import AgentdError


class Interrupts:
    """``with Interrupts(client, stream):`` around the loop over the stream. ``hit``: Ctrl-C has come."""

    def __init__(self, client: Client, stream: TurnStream) -> None:
        self._client = client
        self._stream = stream
        self._stopping: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self.hit = False

    def __enter__(self) -> "Interrupts":
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        if self._stopping is not None:
            self._stopping.cancel()

    def look(self) -> None:
        """The turn may only now be known that was to be stopped before it was."""
        if self.hit and self._stopping is None:
            self._begin()

    def _interrupt(self) -> None:
        if self.hit or not self._client.connected:
            self._leave()
        self.hit = True
        self._begin()

    def _begin(self) -> None:
        if self._stream.place is not None:
            self._stopping = asyncio.create_task(self._stop(*self._stream.place))

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _stop(self, session: str, turn: int) -> None:
        try:
            await self._client.interrupt(session, turn)
        except AgentdError as error:
            output.note(f"The turn could not be stopped: {error.message}")
            self._leave()
