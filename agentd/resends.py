"""Which session a prompt has made: one that is sent again after a broken connection makes no second one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = 500
"""Prompts that are remembered. A client sends again soon or never."""

Key = tuple[str, str]
"""The client's ``ref`` and the text's digest: two clients may count their own prompts alike."""


class Resends:
    """Of one daemon, in memory. Used on the event loop."""

    def __init__(self) -> None:
        self._made: dict[Key, asyncio.Future[str]] = {}

    async def session(self, key: Key) -> str | None:
        """The session that this prompt has made, or is making right now; None if it has not."""
        while (made := self._made.get(key)) is not None:
            await asyncio.wait([made])
            if not made.cancelled():
                return made.result()
        return None

    def remember(self, key: Key, session_id: str) -> None:
        """This prompt has made this session."""
        self._add(key).set_result(session_id)

    @contextmanager
    def making(self, key: Key) -> Iterator["asyncio.Future[str]"]:
        """This prompt makes a session: the future gets its id. If it gets none, nothing was made."""
        made = self._add(key)
        try:
            yield made
        finally:
            if not made.done():
                made.cancel()
                self._made.pop(key, None)

    def _add(self, key: Key) -> "asyncio.Future[str]":
        made = self._made[key] = asyncio.get_running_loop().create_future()
        while len(self._made) > KEPT:
            del self._made[next(iter(self._made))]
        return made
