"""The workspace's background work: begun from anywhere on the loop, also from a callback, and waited for at the end."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio

from agentd.errors import AgentdError

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Tasks:
    """Tasks that belong to no request. An exception ends its own task and is logged; nobody else notices.

    anyio's task groups start tasks from tasks only; a lost connection and a file watch come as plain callbacks.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._asides: set[anyio.CancelScope] = set()
        self._ending = False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin this work now."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def own(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a change in the daemon's task group: a request that is cancelled or loses its client leaves it whole."""
        return await asyncio.shield(self.owned(work))

    def owned(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """The same, as a future. Cancelling the future does not end the work."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                result = await work
            except AgentdError as error:
                if not done.done():
                    done.set_exception(error)
            except Exception as error:
                if done.done():
                    logger.exception("a change failed after its request was gone")
                else:
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        # An error that nobody waits for any more is no news: the request was cancelled.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self.spawn(run())
        return done

    @contextmanager
    def aside(self, seconds: float) -> Iterator[None]:
        """Work that nobody waits for, for so long at most; the end of the daemon ends it."""
        with anyio.move_on_after(0 if self._ending else seconds) as scope:
            self._asides.add(scope)
            try:
                yield
            finally:
                self._asides.discard(scope)

    def end_asides(self) -> None:
        """The daemon ends: what nobody waits for is not waited for."""
        self._ending = True
        for scope in self._asides:
            scope.cancel()

    async def finished(self) -> None:
        """Wait until nothing runs, what begins meanwhile included."""
        while self._running:
            await asyncio.wait(set(self._running))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("background work failed", exc_info=error)
