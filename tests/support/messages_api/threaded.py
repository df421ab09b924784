"""The same server in a thread with a loop of its own, for synchronous tests and tests of separate processes."""

import asyncio
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from .exchange import Exchange
from .script import Answer, Script
from .server import MessagesApi
from .validate import Rules


class ThreadedMessagesApi:
    """As `MessagesApi`, with waits that block and time out. What `requests` holds is written by the other thread: wait
    for the event before looking."""

    def __init__(
        self,
        script: Script = (),
        *,
        default: Answer | None = None,
        rules: Rules | None = None,
        unix: Path | None = None,
    ) -> None:
        self._api = MessagesApi(script, default=default, rules=rules, unix=unix)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="messages-api")
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def url(self) -> str:
        return self._api.url

    @property
    def requests(self) -> list[Exchange]:
        return self._api.requests

    @property
    def refused(self) -> list[Exchange]:
        return self._api.refused

    @property
    def unexpected(self) -> list[str]:
        return self._api.unexpected

    def wait_for_request(self, number: int = 1, *, timeout: float = 30) -> Exchange:
        return asyncio.run_coroutine_threadsafe(self._api.wait_for_request(number), self._loop).result(timeout)

    def wait_ended(self, number: int = 1, *, timeout: float = 30) -> Exchange:
        return asyncio.run_coroutine_threadsafe(self._api.wait_ended(number), self._loop).result(timeout)

    def wait_disconnected(self, number: int = 1, *, timeout: float = 30) -> Exchange:
        return asyncio.run_coroutine_threadsafe(self._api.wait_disconnected(number), self._loop).result(timeout)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            async with self._api:
                self._started.set()
                await self._stop.wait()
        except (Exception, asyncio.CancelledError) as error:
            self._failure = error
        finally:
            self._started.set()
