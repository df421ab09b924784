"""One writer for a store's directory: the lock that a project's daemon holds, taken by whoever else writes there."""

from contextlib import suppress
from pathlib import Path

from agentd import paths
from agentd.errors import SessionInUse, StoreFailed
from agentd.server import lock

_TRIES = 10


class Held:
    """A lock on a directory, held until ``release``; the file itself stays."""

    def __init__(self, directory: Path, *, wait: bool = False, make: bool = False) -> None:
        """Raises SessionInUse when another holds it and ``wait`` is not wished, FileNotFoundError for no directory,
        StoreFailed. Blocks."""
        try:
            self._lock: lock.Lock | None = _taken(directory, wait, make)
        except lock.Held:
            raise SessionInUse(
                f"{directory} is used by another program, or by its project's daemon: end that, or give another store."
            ) from None
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not make:
                raise
            raise StoreFailed(f"{directory}: {error.strerror}") from None

    def release(self) -> None:
        """Let go of it. May be called twice."""
        held, self._lock = self._lock, None
        if held is not None:
            held.close()


def _taken(directory: Path, wait: bool, make: bool) -> lock.Lock:
    path = paths.lock_path(str(directory))
    if make:
        for _ in range(_TRIES):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whoever had the lock while we waited may have removed the directory with it.
            with suppress(FileNotFoundError):
                return lock.Lock(path, wait=wait)
    return lock.Lock(path, wait=wait)
