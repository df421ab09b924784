"""A lane: writes to one file, in order, on the store's threads, those that wait together going out together.

Called from the event loop alone. Owns the order; knows nothing of what is written.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Generic, TypeVar

import anyio

from agentd.errors import StoreFailed

T = TypeVar("T")
CLOSED = "the store is closed"


class Lane(Generic[T]):
    """``write`` runs in a worker thread, one batch at a time; ``written`` on the loop, once a batch is durable and
    before anyone who waited for it goes on.
    """

    def __init__(
        self,
        workers: Executor,
        write: Callable[[Sequence[T]], None],
        written: Callable[[Sequence[T]], None] | None = None,
    ) -> None:
        self._workers = workers
        self._write = write
        self._written = written
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._running: asyncio.Future[None] | None = None

    async def put(self, entry: T) -> None:
        """Write ``entry``; durable on return. Raises what ``write`` raised for its batch.

        Cancelling the caller takes effect when the write is settled, either way: nobody is left not knowing.
        """
        await settled(self._add(entry))

    def post(self, entry: T) -> None:
        """Write ``entry`` some time; nobody learns whether it worked."""
        self._add(entry).add_done_callback(_forget)

    async def drain(self) -> None:
        """Wait until nothing is being written or waits to be."""
        while self._running is not None:
            await asyncio.wait([self._running])
            await asyncio.sleep(0)

    def _add(self, entry: T) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, future))
        if self._running is None:
            self._flush(loop)
        return future

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        try:
            self._running = loop.run_in_executor(self._workers, self._write, [entry for entry, _ in batch])
        except RuntimeError:
            # The threads are gone: the store was closed.
            for _, future in batch:
                future.set_exception(StoreFailed(CLOSED))
            return
        self._running.add_done_callback(partial(self._settle, batch, loop))

    def _settle(
        self,
        batch: Sequence[tuple[T, "asyncio.Future[None]"]],
        loop: asyncio.AbstractEventLoop,
        job: "asyncio.Future[None]",
    ) -> None:
        self._running = None
        error = StoreFailed(CLOSED) if job.cancelled() else job.exception()
        if error is None and self._written is not None:
            self._written([entry for entry, _ in batch])
        if self._waiting:
            self._flush(loop)
        for _, future in batch:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


async def settled(future: "asyncio.Future[T]") -> T:
    """Wait for a future, whatever happens to the waiting task; a cancellation is delivered afterwards."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                # A task's own cancel() does not ask scopes. It is kept for when the write is decided.
                cancelled = error
    if cancelled is not None:
        future.exception()
        raise cancelled
    return future.result()


def _forget(future: "asyncio.Future[None]") -> None:
    if not future.cancelled():
        future.exception()
