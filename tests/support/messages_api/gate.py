"""Gates that hold a reply until the test opens them. They work across threads and event loops; they never sleep."""

import asyncio
import threading


class Signal:
    """Something that happens once and can be awaited on any loop, or in any thread."""

    def __init__(self) -> None:
        self._happened = threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def set(self) -> None:
        with self._lock:
            self._happened.set()
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)

    def is_set(self) -> bool:
        return self._happened.is_set()

    async def wait(self) -> None:
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._happened.is_set():
                return
            self._waiting.append(entry)
        try:
            await entry[1].wait()
        finally:
            # A waiter leaves before its loop can close, so that set() never calls into a closed loop.
            with self._lock:
                self._waiting.remove(entry)

    def wait_in_thread(self, timeout: float) -> None:
        if not self._happened.wait(timeout):
            raise TimeoutError(f"nothing happened within {timeout} s")


class Gate:
    """`Wait(gate)` in a script stops there: `reached` tells the test so, and `open` lets the reply go on."""

    def __init__(self) -> None:
        self.reached = Signal()
        self._opened = Signal()

    def open(self) -> None:
        self._opened.set()

    async def pass_through(self) -> None:
        """The server's side of the gate."""
        self.reached.set()
        await self._opened.wait()
