"""Where an archive is read from: a file, or text that came over the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from agentd.store.files import Files

BLOCK = 1 << 18


class Source(Protocol):
    """Bytes that can be read anywhere."""

    @property
    def size(self) -> int: ...

    def read_at(self, size: int, offset: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end. Raises OSError."""


class Text:
    """An archive in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read_at(self, size: int, offset: int) -> bytes:
        return self._data[offset : offset + size]


class OpenFile:
    """An archive in a file that is open."""

    def __init__(self, files: Files, fd: int) -> None:
        self._files = files
        self._fd = fd
        self._size = files.stat_open(fd).st_size

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, size: int, offset: int) -> bytes:
        return self._files.read_at(self._fd, size, offset)


@contextmanager
def opened(files: Files, path: Path) -> Iterator[OpenFile]:
    """A regular file; a link in its place is refused. Raises OSError."""
    fd = files.open_read(path)
    try:
        yield OpenFile(files, fd)
    finally:
        files.close(fd)


def find(source: Source, wanted: bytes, start: int) -> int:
    """Where ``wanted`` is first found from ``start`` on; -1 if nowhere."""
    offset = start
    while offset < source.size:
        data = source.read_at(BLOCK + len(wanted) - 1, offset)
        at = data.find(wanted)
        if at >= 0:
            return offset + at
        offset += BLOCK
    return -1


def line_at(source: Source, start: int, most: int) -> bytes | None:
    """The line that begins at ``start``, without its end; None if it is longer than ``most``."""
    data = source.read_at(most + 1, start)
    end = data.find(b"\n")
    if end >= 0:
        return data[:end]
    return data if len(data) <= most else None
