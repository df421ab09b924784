"""Notices that nothing comes any more. One timer for a whole reply, because a timeout for each piece of it costs more
than reading the piece does."""

import asyncio


class Watchdog:
    """Ends a wait by cancelling it, when waits since the last ``alive`` add up to ``seconds``. Bound to one loop.

    Only time between ``wait`` and ``rest`` counts: a consumer that is slow is no provider that stalls. A wait that
    ends in ``CancelledError`` was ended by the watchdog if ``bit`` says so; it takes that cancellation back.
    """

    __slots__ = ("_bitten", "_cancels", "_loop", "_since", "_task", "_timer", "_waited", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waited = 0.0
        self._since: float | None = None
        self._task: asyncio.Task[object] | None = None
        self._bitten = False
        self._cancels = 0
        self._timer = self._loop.call_later(seconds, self._look)

    def alive(self) -> None:
        """Something came that is a sign of life."""
        self._waited = 0.0

    def wait(self) -> None:
        """The calling task begins to wait."""
        self._task, self._since = asyncio.current_task(), self._loop.time()

    def rest(self) -> None:
        """The wait is over, in whatever way."""
        if self._since is not None:
            self._waited += self._loop.time() - self._since
            self._since = None

    def bit(self) -> bool:
        """Whether the ``CancelledError`` at hand is the watchdog's alone. False: somebody else cancels as well."""
        if not self._bitten or self._task is None:
            return False
        self._bitten = False
        return self._task.uncancel() <= self._cancels

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        waited = self._waited
        if self._since is not None:
            waited += self._loop.time() - self._since
            if waited >= self.seconds and self._task is not None:
                self._bitten, self._cancels = True, self._task.cancelling()
                self._task.cancel()
                return
        # Never sooner than a moment: rounding must not make this spin.
        self._timer = self._loop.call_later(max(self.seconds - waited, 0.01), self._look)
