"""A few threads for work that may hang. They die with the process, and no more of them are made than were allowed.

Work that nobody waits for any more is not begun.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
IDLE_SECONDS = 30.0


class Hands:
    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]] = deque()
        self._threads = self._free = 0

    async def do(self, work: Callable[[], T]) -> T:
        """The result of ``work``, or what it raises. Whoever is cancelled does not wait for what was begun."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        with self._changed:
            self._waiting.append((work, done, loop))
            if self._free:
                self._changed.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, daemon=True, name=self._name).start()
        return await done

    def _run(self) -> None:
        while True:
            with self._changed:
                self._free += 1
                try:
                    while not self._waiting:
                        if not self._changed.wait(IDLE_SECONDS) and not self._waiting:
                            self._threads -= 1
                            return
                finally:
                    self._free -= 1
                work, done, loop = self._waiting.popleft()
            if done.cancelled():
                continue
            result, error = None, None
            try:
                result = work()
            except Exception as failure:
                error = failure
            with suppress(RuntimeError):  # the daemon has ended
                loop.call_soon_threadsafe(_settle, done, result, error)
            # Nothing of it is held while the thread waits.
            del work, done, loop, result, error


def _settle(done: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
