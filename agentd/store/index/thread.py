"""The one connection to the index and the one thread that uses it. What is asked is served in order: who asks after a
change was noted is told what it says.

Owns the connection's life. Whatever SQLite reports ends that life: the file is thrown away and made anew.
"""

import logging
import sqlite3
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentd.store.files import Files
from agentd.store.index.database import NAME, discard, merge_by_itself, open_index, read_meta, set_meta

T = TypeVar("T")
logger = logging.getLogger(__name__)
Work = Callable[[sqlite3.Connection], T]


class IndexThread:
    """``failed`` is called on the loop with what SQLite said, and the life that the connection was in."""

    def __init__(self, files: Files, directory: Path, failed: Callable[[sqlite3.Error, int], None]) -> None:
        self._files = files
        self._directory = directory
        self._failed = failed
        self._loop: AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentd-index")
        self._connection: sqlite3.Connection | None = None
        self.life = 0

    async def open(self, boot: str, *, anew: bool) -> dict[str, str]:
        """Begin a life; what the index said of itself. ``anew``: what is there is thrown away first."""
        self._loop = get_running_loop()
        self.life += 1
        return await self._loop.run_in_executor(self._thread, self._open, boot, anew)

    async def ask(self, work: Work[T]) -> T:
        """The result of ``work``, which only reads. Raises sqlite3.Error."""
        return await get_running_loop().run_in_executor(self._thread, self._asked, work)

    async def run(self, work: Work[T], *, commit: bool = True) -> T:
        """The result of ``work``, which may write. Without ``commit`` what it wrote waits for the next that commits.

        Raises sqlite3.Error.
        """
        return await get_running_loop().run_in_executor(self._thread, self._within, work, commit)

    def post(self, work: Work[object]) -> None:
        """Have this done after all that was asked before, and before all that is asked later."""
        if self._loop is not None:
            with suppress(RuntimeError):  # closed
                self._thread.submit(self._posted, work, self.life, self._loop)

    def report(self, error: sqlite3.Error) -> None:
        """SQLite said this to somebody who does not wait for an answer."""
        self._failed(error, self.life)

    async def settle(self) -> None:
        """The index was built: from here on a power cut leaves it whole."""
        await get_running_loop().run_in_executor(self._thread, self._settle)

    async def close(self, *, clean: bool, built: bool, names: str = "") -> None:
        """``clean``: the index is in step with the files, whose directory had the stamp ``names`` by then; ``built``:
        all transcripts were read too, though its parts may not have been put together."""
        if self._loop is not None:
            await self._loop.run_in_executor(self._thread, self._close, clean, built, names)
        self._thread.shutdown(wait=False)

    # What follows runs in the thread.

    def _open(self, boot: str, anew: bool) -> dict[str, str]:
        self._let_go()
        if anew:
            discard(self._files, self._directory / NAME)
        self._connection = open_index(self._files, self._directory, boot)
        meta = read_meta(self._connection)
        set_meta(self._connection, clean="0", boot=boot)
        if meta.get("building") == "1":
            # It can be made anew: nothing is waited for.
            self._connection.execute("PRAGMA synchronous = OFF")
            merge_by_itself(self._connection, False)
        return meta

    def _asked(self, work: Work[T]) -> T:
        # No transaction of its own: to end one would end what is being written in steps.
        return work(self._open_now())

    def _open_now(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the index is closed")
        return self._connection

    def _within(self, work: Work[T], commit: bool) -> T:
        connection = self._open_now()
        if not connection.in_transaction:
            connection.execute("BEGIN")
        try:
            result = work(connection)
            if commit:
                connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _beside(self, work: Work[object]) -> None:
        """A change that is whole by itself, perhaps in the middle of what is written in steps: it fails alone."""
        connection = self._open_now()
        if not connection.in_transaction:
            self._within(work, True)
            return
        connection.execute("SAVEPOINT beside")
        try:
            work(connection)
        except sqlite3.Error:
            raise
        except BaseException:
            connection.execute("ROLLBACK TO beside")
            raise
        finally:
            with suppress(sqlite3.Error):
                connection.execute("RELEASE beside")

    def _posted(self, work: Work[object], life: int, loop: AbstractEventLoop) -> None:
        try:
            self._beside(work)
        except sqlite3.Error as error:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(partial(self._failed, error, life))
        except Exception as error:
            logger.warning("the index passed over a change: %s", type(error).__name__)

    def _settle(self) -> None:
        if self._connection is not None:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            merge_by_itself(self._connection, True)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _close(self, clean: bool, built: bool, names: str) -> None:
        with suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("COMMIT")
            if self._connection is not None and built and read_meta(self._connection).get("building") == "1":
                self._settle()
                set_meta(self._connection, building="0")
            if self._connection is not None and clean:
                set_meta(self._connection, clean="1", names=names)
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
