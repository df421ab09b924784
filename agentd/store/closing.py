"""A store that was closed in order says so, and the next start need not look into every session for a turn cut off.

The mark is worth nothing but that look, so it is not synced: it names the life of this machine; one that a power cut
brings back is of another life. Blocking: call from a worker.
"""

from contextlib import suppress
from pathlib import Path

from agentd.store.files import Files
from agentd.store.index.reading import boot
from agentd.store.journal import NAME as JOURNAL

NAME = "closed"


def leave(files: Files, directory: Path, sessions: Path) -> None:
    """The store is closed. What could not be ended or removed keeps the mark away. Best effort."""
    with suppress(OSError):
        names = files.directories(sessions)
        if any(name.startswith(".") for name in names) or files.having(sessions, names, JOURNAL):
            return
        with suppress(FileNotFoundError):
            files.unlink(directory / NAME)
        fd = files.create(directory / NAME)
        try:
            files.write(fd, boot().encode())
        finally:
            files.close(fd)


def lift(files: Files, directory: Path) -> bool:
    """The store is opened: whether it was closed in order. The mark is gone before anything else is written."""
    try:
        said = files.small_file(directory / NAME, 100)
        files.unlink(directory / NAME)
    except OSError:
        return False
    return said == boot().encode()
