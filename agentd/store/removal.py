"""What a session takes up on disk, and its removal: it is there whole, or gone, at whatever point we end.

Its directory is renamed to ``.deleted-<id>`` and that is synced: from then on it is no session. Its documents and its
files go after that; what is left of them when we end goes when the store starts. Blocking: call from a worker.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from agentd.errors import SessionNotFound
from agentd.store.api import Remains
from agentd.store.files import Files, saving
from agentd.store.queue import read_queue

DELETED = ".deleted-"
DOCUMENTS = (".agentd", "sessions")


class Removal:
    """Of the sessions in ``sessions``, whose documents are below ``root``."""

    def __init__(self, files: Files, sessions: Path, root: Path) -> None:
        self._files = files
        self._sessions = sessions
        self._root = root

    def measure(self, session_ids: Sequence[str]) -> tuple[Remains, ...]:
        """What removing each of them frees, in this order: what a fork shares is freed by whoever goes last."""
        left: dict[tuple[int, int], int] = {}
        found = []
        for session_id in session_ids:
            directory = self._sessions / session_id
            freed = documents = queued = 0
            # What cannot be read of one is not counted: it can be removed all the same, and the others are.
            with suppress(OSError):
                for status in self._all_files(directory, session_id):
                    inode = (status.st_dev, status.st_ino)
                    left[inode] = left.get(inode, status.st_nlink) - 1
                    freed += status.st_size if left[inode] <= 0 else 0
            with suppress(OSError):
                documents = sum(1 for status in self._documents(session_id) if S_ISREG(status.st_mode))
            with suppress(OSError):
                queued = len(read_queue(self._files, directory).waiting)
            found.append(Remains(session_id, freed, documents, queued))
        return tuple(found)

    def bury(self, session_id: str) -> None:
        """Make it no session any more, durably. StoreFailed: it is one still, as it was."""
        directory, buried = self._sessions / session_id, self._buried(session_id)
        if not self._files.is_directory(directory):
            raise SessionNotFound(session_id)
        with saving():
            if self._files.exists(buried):
                self._files.remove_tree(buried)
            self._files.rename(directory, buried)
            try:
                self._files.sync_directory(self._sessions)
            except BaseException:
                try:
                    self._files.rename(buried, directory)
                except OSError:
                    # It has left every list and cannot come back: to say that it is still there would be wrong.
                    return
                raise

    def remove(self, session_id: str) -> tuple[int, str | None]:
        """What is left of a buried session: the bytes that are free now, and what went wrong, in words."""
        buried = self._buried(session_id)
        problem = None
        before = self._size(buried, session_id)
        try:
            self.forget_documents(session_id)
            self._files.remove_tree(buried)
        except OSError as error:
            problem = f"What is left of the deleted session '{session_id[:8]}' could not be removed: {error.strerror}"
        return max(before - (self._size(buried, session_id) if problem else 0), 0), problem

    def forget_documents(self, session_id: str) -> None:
        """Remove its documents, unless a session of this id came to be again. Raises OSError."""
        if self._files.exists(self._sessions / session_id):
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            self._files.remove_beneath(self._root, *DOCUMENTS, session_id)

    def _buried(self, session_id: str) -> Path:
        return self._sessions / f"{DELETED}{session_id}"

    def _size(self, directory: Path, session_id: str) -> int:
        with suppress(OSError):
            return sum(one.st_size for one in self._all_files(directory, session_id) if one.st_nlink == 1)
        return 0

    def _all_files(self, directory: Path, session_id: str) -> Iterator[os.stat_result]:
        yield from self._files.files_below(directory)
        yield from self._documents(session_id)

    def _documents(self, session_id: str) -> Iterator[os.stat_result]:
        place = self._root
        for name in (*DOCUMENTS, session_id):
            place = place / name
            if place.is_symlink():
                return
        yield from self._files.files_below(place)
