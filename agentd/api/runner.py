"""Calling what is async from code that is not, inside and outside a running event loop.

The work runs on one private thread with a loop of its own, so that a caller's loop is never entered again. A caller
on a running loop blocks it meanwhile, as any synchronous call does: milliseconds, for what the session manager does.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class _Private:
    """The thread, started at the first call, and anew in a forked child, where it would be missing."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self.thread: threading.Thread | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                self.thread = threading.Thread(target=self._loop.run_forever, name="agentd-api", daemon=True)
                self.thread.start()
            return self._loop


_PRIVATE = _Private()


def submit(work: Coroutine[Any, Any, T]) -> "Future[T]":
    """Begin this work on the private thread."""
    return asyncio.run_coroutine_threadsafe(work, _PRIVATE.loop())


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run this work on the private thread, and block until it is done. An interrupt (Ctrl-C) cancels it."""
    if threading.current_thread() is _PRIVATE.thread:
        # Somebody's manager, called there, calls ours: its thread cannot wait for itself.
        with ThreadPoolExecutor(1, thread_name_prefix="agentd-api") as beside:
            return beside.submit(asyncio.run, work).result()
    future = submit(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """The same for a coroutine of the caller's: its loop goes on. Cancelled, it cancels the work and waits."""
    loop, outcome, tasks = _PRIVATE.loop(), Future[T](), list[asyncio.Task[T]]()

    def begin() -> None:
        tasks.append(loop.create_task(work))
        tasks[0].add_done_callback(lambda task: _hand_over(task, outcome))

    loop.call_soon_threadsafe(begin)
    waiting = asyncio.wrap_future(outcome)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            waiting.exception()  # the caller is told that it was cancelled, and nothing else
        raise


def _hand_over(task: "asyncio.Task[T]", outcome: "Future[T]") -> None:
    if task.cancelled():
        outcome.cancel()
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
