"""Opening what is imported: regular files only, read as far as they were when they were opened, never through a link
that stands in a directory of somebody else's program.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agentd import clock
from agentd.errors import ImportFailed

Stopped = Callable[[], bool]
"""Whether nobody wants the result any more. Asked from a worker."""
LONGEST_PATH = 4096
MOST_DOCUMENTS = 500
LONGEST_DOCUMENT = 16 << 20


class OpenFile:
    """A file that is open. Errors of reading are ImportFailed."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, size: int, offset: int) -> bytes:
        wanted = max(0, min(size, self._size - offset))
        pieces: list[bytes] = []
        try:
            while wanted > 0 and (piece := os.pread(self._descriptor, wanted, offset)):
                pieces.append(piece)
                offset += len(piece)
                wanted -= len(piece)
        except OSError as error:
            raise ImportFailed(f"{self.name} cannot be read: {error.strerror}") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def path_of(uri: str) -> Path:
    """The absolute path that a ``file:`` URI or a path names. Raises ImportFailed."""
    text = uri
    if uri.startswith("file:"):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise ImportFailed(f"uri: '{uri[:200]}' is on another machine")
        text = unquote(parts.path)
    elif "://" in uri[:20]:
        raise ImportFailed(f"uri: '{uri[:200]}' is no file; give a path or a file: URI")
    if not text.startswith("/") or "\0" in text or len(text.encode("utf-8", "surrogatepass")) > LONGEST_PATH:
        raise ImportFailed("uri: an absolute path is wanted")
    return Path(text)


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[OpenFile]:
    """A regular file, open for reading. Raises ImportFailed for all else, without waiting for a pipe's other end."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    with ExitStack() as stack:
        try:
            # Looked at before it is opened: opening a device may do something.
            if not stat.S_ISREG((path.stat() if follow else path.lstat()).st_mode):
                raise ImportFailed(f"{path.name} is no regular file, so there is no session in it.")
            descriptor = os.open(path, flags)
            stack.callback(os.close, descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ImportFailed(f"{path.name} is no regular file, so there is no session in it.")
            found = OpenFile(descriptor, path)
        except (OSError, ValueError) as error:
            raise ImportFailed(f"{path.name or path} cannot be opened: {_words(error)}") from None
        yield found


def is_directory(path: Path) -> bool:
    """Raises ImportFailed when there is nothing."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise ImportFailed(f"{path.name or path} cannot be opened: {_words(error)}") from None


def modified(path: Path) -> str | None:
    """When it was written last, RFC 3339 UTC."""
    try:
        return clock.rfc3339(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (OSError, ValueError, OverflowError):
        return None


def names_in(directory: Path) -> list[str]:
    """Of the regular files in a directory; links are left out."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []


def small_file(path: Path, most: int = LONGEST_DOCUMENT) -> bytes | None:
    """A file in a directory; None when it is not there, is a link or is larger than ``most``."""
    try:
        with opened(path, follow=False) as source:
            return source.read_at(source.size, 0) if source.size <= most else None
    except ImportFailed:
        return None


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "its name is not valid"
