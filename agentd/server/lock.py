"""The project's lock: one writer on a store's project, and the note that says where it listens.

The flock is what decides. The note in the file ({socket, version, pid}) is trusted only by a successful connect: a
pid can be another process by now, or live in another container. Shared with the bridge: imports next to nothing.
"""

# Paths are str here: see agentd/paths.py.
# ruff: noqa: PTH116

import fcntl
import os

from agentd.server import line


class Held(Exception):
    """Another process holds the lock."""


class Lock:
    """An flock that is held until ``close``, or until the process is gone, however it went."""

    def __init__(self, path: str, *, wait: bool = False) -> None:
        """Take it. Raises ``Held``, unless told to wait; ``OSError`` when the file can't be made."""
        self.path = path
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                os.close(self._fd)
                raise Held(path) from None
            except BaseException:
                os.close(self._fd)
                raise
            # Whoever removed the directory meanwhile left us with the lock of a file that nobody else will find.
            if self.current():
                return
            os.close(self._fd)

    def current(self) -> bool:
        """Whether the file that is locked is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except OSError:
            return False

    def note(self, value: dict[str, object]) -> None:
        """Write where to find the holder. Readers may see it torn, and then take it for absent."""
        data = line.dump(value)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def close(self) -> None:
        os.close(self._fd)


def read_note(path: str) -> dict[str, object]:
    """What the last holder wrote, or nothing."""
    try:
        # No pipe in its place is waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        return line.parse(os.read(fd, 65536)) or {}
    except OSError:
        return {}
    finally:
        os.close(fd)
