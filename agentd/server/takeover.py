"""Before the store is started: whose sessions are whose, when roots were moved, copied or made anew at an old path.

Decides nothing: that is ``store/moved``. Takes the other projects' locks, and asks the daemons that hold them to go.
"""

import json
import socket as sockets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agentd import __version__, launch, paths
from agentd.errors import SessionBusy
from agentd.folder import set_project_id
from agentd.server import hello
from agentd.server.lock import Held, Lock, read_note
from agentd.store import moved
from agentd.store.files import Files

PATIENCE = 15.0
"""Seconds that a turn of the other daemon is given to end by itself; then it is interrupted, and saved."""
LEAVING = 20.0
"""Seconds that it is given to save and be gone."""
_LOOK = 0.05


def settle(data: str, root: str) -> moved.Settled:
    """By the holder of the root's lock. Raises SessionBusy when a daemon does not go, StoreFailed for the disk."""
    project = Path(paths.project_dir(data, root))
    return moved.settle(Files(), project, root, held, set_project_id)


@contextmanager
def held(project: Path) -> Iterator[None]:
    """The lock of a project whose root is gone. Its daemon is asked to go: at once if no turn runs in it."""
    path = paths.lock_path(str(project))
    polite, until = time.monotonic() + PATIENCE, time.monotonic() + PATIENCE + LEAVING
    while True:
        try:
            lock = Lock(path)
            break
        except Held:
            if time.monotonic() > until:
                pid = read_note(path).get("pid")
                raise SessionBusy(
                    "The sessions of this root are still held by the daemon of the place that it was moved from, which "
                    f"does not end. They are whole. End it (its process id is {pid}), and try again."
                ) from None
            with suppress(OSError, ValueError, launch.LaunchFailed):
                _ask_to_go(str(project), at_once=time.monotonic() > polite)
            # No event tells that a lock was let go.
            time.sleep(_LOOK)
    try:
        yield
    finally:
        lock.close()


def _ask_to_go(project: str, *, at_once: bool) -> None:
    raw = launch.dial(project)
    if raw is None:
        return
    with sockets.socket(fileno=raw.detach()) as connection, connection.makefile("rb") as answers:
        connection.settimeout(LEAVING)
        connection.sendall(hello.of_client(__version__, "", {}))
        answers.readline(hello.MAX_HELLO)
        running = _asked(connection, answers, "agentd/status").get("running")
        if at_once or not running:
            _asked(connection, answers, "agentd/shutdown")
            # Its end closes the connection: then the lock is free, or about to be.
            while answers.read(65536):
                pass
        else:
            time.sleep(min(1.0, PATIENCE))


def _asked(connection: sockets.socket, answers: Any, method: str) -> dict[str, Any]:
    """The result of a request. Raises OSError, ValueError."""
    body = json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": {}}).encode()
    connection.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    while True:
        length = None
        while line := answers.readline(1 << 14).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length is None:
            raise OSError(0, "the daemon hung up")
        said = json.loads(answers.read(length))
        if said.get("id") == method:
            result = said.get("result")
            return result if isinstance(result, dict) else {}
