"""Where an export goes: a new file that appears whole or not at all, or memory with a limit. Blocking: in a worker."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from agentd.errors import InvalidParams, TooLarge
from agentd.store.files import Files

LARGEST_CONTENT = 16 << 20
"""Bytes of an export that one answer holds; in JSON they may become half as many more."""


class Target(Protocol):
    def write(self, data: bytes) -> None: ...
    def finish(self) -> None:
        """All was written. Nothing was there to be seen before."""

    def discard(self) -> None:
        """It is not to be. Never raises."""


class Memory:
    """An export that is answered."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        if len(self._data) + len(data) > LARGEST_CONTENT:
            limit = LARGEST_CONTENT >> 20
            raise TooLarge(
                f"The export is larger than {limit} MB, too large for an answer: give a path to write it to."
            )
        self._data += data

    def finish(self) -> None:
        """It is whole as it is."""

    def discard(self) -> None:
        self._data.clear()

    def text(self) -> str:
        return self._data.decode()


class NewFile:
    """An export at a path. Private (0600), synced, and never over another file unless ``force`` says so."""

    def __init__(self, files: Files, path: Path, *, force: bool) -> None:
        """Raises InvalidParams for a file that exists, OSError."""
        self._files = files
        self._path = path
        self._force = force
        if not force and files.exists(path):
            raise already_there(path)
        self._temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}-{os.urandom(4).hex()}")
        self._fd: int | None = files.create(self._temporary)

    def write(self, data: bytes) -> None:
        assert self._fd is not None
        self._files.write(self._fd, data)

    def finish(self) -> None:
        assert self._fd is not None
        self._files.sync(self._fd)
        self._close()
        if self._force:
            self._files.rename(self._temporary, self._path)
        else:
            self._place()
        try:
            self._files.sync_directory(self._path.parent)
        except OSError:
            if not self._force:
                self._files.unlink(self._path)
            raise

    def discard(self) -> None:
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._files.unlink(self._temporary)

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._files.close(fd)

    def _place(self) -> None:
        """A further name, which never replaces a file that has come meanwhile; where there are no links, a rename."""
        try:
            self._files.link(self._temporary, self._path)
        except FileExistsError:
            raise already_there(self._path) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
                raise
            if self._files.exists(self._path):
                raise already_there(self._path) from None
            self._files.rename(self._temporary, self._path)
        else:
            self._files.unlink(self._temporary)


def already_there(path: Path) -> InvalidParams:
    return InvalidParams(f"path: '{path}' exists already. It was left as it is: choose another name, or use force.")
