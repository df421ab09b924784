"""The daemon's log: one file of bounded size in the project's directory. No bodies, no keys: callers log neither."""

# Paths are str here: as in agentd/paths.py.
# ruff: noqa: PTH105

import logging
import os
import sys
import time

MAX_LOG = 1024 * 1024

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


class CappedFile(logging.Handler):
    """Appends, and begins anew at ``MAX_LOG``; the one before is kept as ``.1``.

    ``streams``: standard output and error go there too, so that an interpreter's last words are found.
    """

    def __init__(self, path: str, *, streams: bool) -> None:
        super().__init__()
        self._path = path
        self._streams = streams
        self._fd = -1
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            written = os.write(self._fd, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
            self._size += written
            if self._size > MAX_LOG:
                os.replace(self._path, self._path + ".1")
                self._open()
        except OSError:
            # A full disk is told to the clients, by whoever failed to save. The log is not worth a failure.
            pass

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._size = os.fstat(fd).st_size
        if self._streams:
            os.dup2(fd, 1)
            os.dup2(fd, 2)


def set_up(path: str, *, detached: bool, level: int = logging.INFO) -> None:
    """Log to the file; in the foreground to the terminal as well."""
    formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handlers: list[logging.Handler] = [CappedFile(path, streams=detached)]
    if not detached:
        handlers.append(logging.StreamHandler(sys.stderr))
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    # Libraries tell at most what is wrong: at lower levels they quote requests and bodies.
    logging.getLogger("agentd").setLevel(level)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
