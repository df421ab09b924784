"""The daemon's socket: where it is, that it is ours alone, and that it is still there.

Blocking calls on local files only, none of which waits. Accepting is the event loop's.
"""

# Paths are str here: as in agentd/paths.py.
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH116, PTH118, PTH119, PTH120

import errno
import os
import socket as sockets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from agentd import paths

_NAMES = 10


class Listener:
    """A listening Unix socket, 0600 in a directory 0700. Made by whoever holds the project's lock."""

    def __init__(self, data: str, root: str, env: Mapping[str, str]) -> None:
        """Bind. Raises ``OSError`` when no place will do."""
        self.socket, self.path = _bind(data, root, dict(env))
        self._identity = _identity(self.path)

    def intact(self) -> bool:
        """Whether clients still find this socket at its path."""
        return self._identity is not None and _identity(self.path) == self._identity

    def close(self) -> None:
        """Stop listening and remove the file, if it is still ours."""
        if self.intact():
            try:
                os.unlink(self.path)
                if os.path.basename(os.path.dirname(self.path)).startswith("agentd-"):
                    os.rmdir(os.path.dirname(self.path))
            except OSError:
                pass
        self.socket.close()


def tidy(path: str) -> None:
    """Remove the directory that a killed daemon made for its socket alone: nobody else will."""
    directory = os.path.dirname(path)
    if os.path.basename(directory).startswith("agentd-") and _private(directory):
        with suppress(OSError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
            os.rmdir(directory)


def _bind(data: str, root: str, env: dict[str, str]) -> tuple[sockets.socket, str]:
    last: OSError | None = None
    for directory in paths.socket_dirs(env, data):
        if not _private(directory):
            continue
        for attempt in range(_NAMES):
            path = os.path.join(directory, paths.socket_name(data, root, attempt))
            try:
                if _vacant(path):
                    return _listening(path), path
            except OSError as error:
                last = error
    # Every usual place is too long, a stranger's, or cannot be written: a fresh directory, which the lock file names.
    try:
        path = os.path.join(tempfile.mkdtemp(prefix="agentd-"), paths.socket_name(data, root))
        return _listening(path), path
    except OSError as error:
        raise last or error from None


def _listening(path: str) -> sockets.socket:
    listening = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        listening.bind(path)
        # Nobody else can enter the directory meanwhile; the umask would be the whole process's.
        os.chmod(path, 0o600)
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _private(directory: str) -> bool:
    """Whether this is, or now became, a directory of ours that nobody else can enter."""
    try:
        parent = os.stat(os.path.dirname(directory))
        if parent.st_uid != os.geteuid():
            return False
        with suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        state = os.lstat(directory)
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
            return False
        if state.st_mode & 0o077:
            os.chmod(directory, 0o700)
    except OSError:
        return False
    return True


def _vacant(path: str) -> bool:
    """Whether the name is free; a dead socket of ours is removed. A stranger's file or a socket on which somebody
    listens is left alone: as holders of the lock we know that it is no daemon of this project."""
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return True
    if not stat.S_ISSOCK(state.st_mode) or state.st_uid != os.geteuid():
        return False
    probe = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    probe.setblocking(False)
    try:
        probe.connect(path)
    except OSError as error:
        if error.errno != errno.ECONNREFUSED:
            return False
        os.unlink(path)
        return True
    finally:
        probe.close()
    return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.lstat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino
