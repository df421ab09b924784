"""Staying connected: watches what other clients do, and finds the daemon again when the connection is lost.

A daemon that died is started again at once, so that nobody has to type to see what goes on. One that was stopped stays
so until somebody prompts: then every terminal that watches is there again.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from agentd import launch, paths
from agentd.cli import output
from agentd.cli.interactive.chat import Chat
from agentd.cli.interactive.watching import Watcher
from agentd.client.failures import ConnectionLost
from agentd.errors import AgentdError
from agentd.server.lock import read_note

LOOK_SECONDS = 1.0
LEAST_BETWEEN_STARTS = 10.0
"""Seconds: a daemon that dies again and again is not started again and again by those who only watch."""


class Staying:
    """``with Staying(chat, project):`` around the conversation; ``project`` is the root's directory in the store."""

    def __init__(self, chat: Chat, project: str) -> None:
        self._chat = chat
        self._project = project
        self._task: asyncio.Task[None] | None = None
        self._watcher = Watcher(chat)
        self._started = -LEAST_BETWEEN_STARTS

    def __enter__(self) -> "Staying":
        self._task = asyncio.create_task(self._run())
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()

    async def ensure(self) -> None:
        """Before something is asked of the daemon: start it again if it is gone, and be in the same session."""
        if self._chat.client.connected:
            return
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        try:
            await self._connect("Connected to the daemon again.")
        finally:
            self._task = asyncio.create_task(self._run(told=True))

    async def _run(self, *, told: bool = False) -> None:
        while not self._chat.leaving:
            with suppress(ConnectionLost):
                await self._watcher.run()
            if not self._chat.leaving:
                await self._find_again(told=told)
                told = False

    async def _find_again(self, *, told: bool) -> None:
        reason = "The daemon was stopped"
        if self._died():
            reason = "The connection to the daemon was lost"
            if time.monotonic() - self._started > LEAST_BETWEEN_STARTS:
                self._started = time.monotonic()
                try:
                    await self._connect("The daemon had ended: it was started again, and this chat is connected to it.")
                except AgentdError as error:
                    reason = f"The daemon has ended, and it could not be started again: {error.message}"
                else:
                    return
        if not told:
            output.note(f"{reason}. It is started again at your next prompt.")
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if launch.answers(self._project):
                with suppress(AgentdError):
                    await self._connect("Connected to the daemon again.")
                    return

    def _died(self) -> bool:
        """A daemon that ends as it should removes its socket before it closes a connection."""
        place = read_note(paths.lock_path(self._project)).get("socket")
        return isinstance(place, str) and Path(place).exists()

    async def _connect(self, told: str) -> None:
        await self._chat.client.reconnect()
        output.note(told)
        self._watcher = Watcher(self._chat)  # before the session is resumed: no event is missed
        try:
            result = await self._chat.reopen()
        except AgentdError as error:  # connected all the same: the next prompt may do better
            output.note(f"The session could not be opened again: {error.message}")
            return
        if result is not None:
            self._watcher.take_up(result)
