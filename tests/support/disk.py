"""A disk that does as it is told: the store's files with syncs that can be held, and writes that can fail."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from agentd.store.files import Files

PATIENCE = 60.0


class Disk(Files):
    """Held syncs wait for ``release``. Changes of files whose path ``fails`` names raise that error number."""

    def __init__(self) -> None:
        self.holding: str | None = None
        self.waiting = threading.Event()
        """Something waits for a sync that is held."""
        self._released = threading.Event()
        self._fails: Callable[[str], int | None] = lambda path: None
        self.reading: Callable[[str], None] = lambda path: None
        """Called in the store's thread before a file is opened for reading."""

    def hold(self, part: str) -> None:
        """From now on syncs of files with this in their path wait."""
        self.waiting.clear()
        self._released.clear()
        self.holding = part

    def release(self) -> None:
        self.holding = None
        self._released.set()

    def fail(self, number: int, part: str = "") -> None:
        self._fails = lambda path: number if part in path else None

    def mend(self) -> None:
        self._fails = lambda path: None

    def _change(self, path: str) -> None:
        number = self._fails(path)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def _sync(self, path: str) -> None:
        self._change(path)
        if self.holding is not None and self.holding in path:
            self.waiting.set()
            assert self._released.wait(PATIENCE)

    def open_read(self, path: Path) -> int:
        self.reading(str(path))
        return super().open_read(path)

    def create(self, path: Path) -> int:
        self._change(str(path))
        return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        self._change(_path_of(fd))
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._sync(_path_of(fd))
        super().sync(fd)

    def sync_directory(self, path: Path) -> None:
        self._sync(str(path))
        super().sync_directory(path)

    def rename(self, source: Path, target: Path) -> None:
        self._change(str(target))
        super().rename(source, target)

    def mkdir(self, path: Path) -> None:
        self._change(str(path))
        super().mkdir(path)


def _path_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")
