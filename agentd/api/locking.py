"""One writer for a store's directory: the lock that a project's daemon holds, taken by whoever else writes there."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from agentd import paths
from agentd.errors import SessionInUse, StoreFailed


class Held:
    """A lock on a directory, held until ``release``; the file itself stays."""

    def __init__(self, directory: Path, *, wait: bool = False, make: bool = False) -> None:
        """Raises SessionInUse when another holds it and ``wait`` is not wished, FileNotFoundError for no directory,
        StoreFailed. Blocks."""
        try:
            if make:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(paths.lock_path(str(directory)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreFailed(f"{directory}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise SessionInUse(
                f"{directory} is used by another program, or by its project's daemon: end that, or give another store."
            ) from None
        except BaseException:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let go of it. May be called twice."""
        with suppress(OSError):
            os.close(self._file)
        self._file = -1
