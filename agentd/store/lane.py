"""A lane: writes to one file, in order, on the store's threads, those that wait together going out together.

Called from the event loop alone. Owns the order; knows nothing of what is written.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
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
        self._running: list[tuple[T, asyncio.Future[None]]] | None = None

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
            await asyncio.wait([future for _, future in self._running])

    def _add(self, entry: T) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, future))
        if self._running is None:
            self._flush(loop)
        return future

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        self._running = batch
        try:
            self._workers.submit(self._work, batch, loop)
        except RuntimeError:
            # The threads are gone: the store was closed.
            self._settle(batch, StoreFailed(CLOSED, refused=True))

    def _work(self, batch: list[tuple[T, "asyncio.Future[None]"]], loop: asyncio.AbstractEventLoop) -> None:
        """In a worker. Straight back to the loop: a chain of futures would cost as much as a fast disk's sync."""
        error: BaseException | None = None
        try:
            self._write([entry for entry, _ in batch])
        except BaseException as failure:
            error = failure
        with suppress(RuntimeError):
            # RuntimeError: the loop was closed without waiting for us, and nobody waits.
            loop.call_soon_threadsafe(self._settle, batch, error)

    def _settle(self, batch: list[tuple[T, "asyncio.Future[None]"]], error: BaseException | None) -> None:
        self._running = None
        if error is None and self._written is not None:
            try:
                self._written([entry for entry, _ in batch])
            except Exception as failure:
                # Ours is the mistake then; those who wait must not wait for ever.
                error = failure
        if self._waiting:
            self._flush(asyncio.get_running_loop())
        for _, future in batch:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


async def settled(future: "asyncio.Future[T]") -> T:
    """Wait for a future, whatever happens to the waiting task; a cancellation is delivered afterwards."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not future.done():
                # A task's own cancel() does not ask scopes: it is asked again, too.
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
        # Retrieved, so that nobody is told that nobody looked.
        future.exception()
        raise


def _forget(future: "asyncio.Future[None]") -> None:
    future.exception()
