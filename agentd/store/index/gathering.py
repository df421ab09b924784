"""What was read of transcripts, on its way into the index. Gathered first, because each small transaction makes the
words' table a segment of its own, and written in steps, because whoever asks the index waits for the step at hand.

Words come before what they belong to: whatever is cut off between them, no document is without its words. Words
without a document point to nothing, and are written again with it.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial

from agentd.store.index import writing
from agentd.store.index.database import AT_ONCE, Words, add_words
from agentd.store.index.thread import IndexThread
from agentd.store.index.writing import Part

GATHERED = 1 << 20
"""Characters that are written together."""
STEP = 1 << 17
"""Characters of one step: some milliseconds."""
PARTS = 64
"""Parts of one."""


class Gathering:
    """One reader's. Each part goes into the index, in order. While some are written, the reader reads on."""

    def __init__(self, thread: IndexThread) -> None:
        self._thread = thread
        self._parts: list[Part] = []
        self._characters = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, part: Part) -> None:
        """Raises sqlite3.Error of what was written before."""
        self._parts.append(part)
        self._characters += sum(len(document.text) for document in part.batch.documents)
        if self._characters >= GATHERED:
            await self._begin()

    async def done(self) -> None:
        """Until all is written. Raises sqlite3.Error."""
        await self._begin()
        await self._written()

    async def leave(self) -> None:
        """What is not written by now is not written: it is read again."""
        self._parts = []
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _begin(self) -> None:
        await self._written()
        parts, self._parts, self._characters = self._parts, [], 0
        self._writing = asyncio.get_running_loop().create_task(self._write(parts))

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write(self, parts: Sequence[Part]) -> None:
        for step in _steps(sorted(word for part in parts for word in writing.words_of(part))):
            await self._thread.run(partial(_add, step), commit=False)
        for start in range(0, len(parts), PARTS):
            some = parts[start : start + PARTS]
            await self._thread.run(partial(_write, some), commit=start + PARTS >= len(parts))


def _steps(words: Words) -> Iterator[Words]:
    step: Words = []
    characters = 0
    for word in words:
        step.append(word)
        characters += len(word[1])
        if characters >= STEP or len(step) == AT_ONCE:
            yield step
            step, characters = [], 0
    if step:
        yield step


def _add(words: Words, connection: sqlite3.Connection) -> None:
    add_words(connection, words)


def _write(parts: Sequence[Part], connection: sqlite3.Connection) -> None:
    writing.write(connection, parts)
