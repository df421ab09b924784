"""Finding the daemon of a root, or starting it: one way for the bridge, the command line and the Python client.

Blocking, and imports next to nothing, because ``agentd lsp`` is this and a copy loop. An asyncio client calls
``connect`` in a thread. No polling: starters wait for each other on a lock, and for the daemon on a pipe.
"""

# Paths are str here: see agentd/paths.py.
# ruff: noqa: PTH100, PTH101, PTH103, PTH109, PTH112, PTH116, PTH119, PTH120

import fcntl
import os
import sys
from _socket import AF_UNIX, SOCK_STREAM, SOL_SOCKET
from _socket import socket as RawSocket  # noqa: N812
from select import POLLIN, poll

from agentd import __version__, paths
from agentd.server import hello, line
from agentd.server.lock import Lock, read_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

ANSWER_SECONDS = 10.0
READY_SECONDS = 60.0
LEAVE_SECONDS = 30.0

_SHUTDOWN = b'{"jsonrpc":"2.0","id":1,"method":"agentd/shutdown","params":{"onlyIdle":true}}'


class LaunchFailed(Exception):
    """There is no daemon and none could be started; the words are for people."""


class Attached:
    """A connection on which both sides have said hello."""

    def __init__(self, raw: RawSocket, daemon: "Mapping[str, object]") -> None:
        self.raw = raw
        self.daemon = daemon


def connect(
    root: str, *, start: bool = True, version: str = __version__, environment: "Mapping[str, str] | None" = None
) -> "socket | None":
    """A connected socket to the daemon of ``root`` (see ``paths.find_root``), hello said; LSP follows.

    Without ``start``, None when no daemon runs. ``environment`` is laid over this process's. Raises ``LaunchFailed``.
    """
    from socket import socket

    attached = attach(root, {**os.environ, **(environment or {})}, start=start, version=version)
    if attached is None:
        return None
    attached.raw.settimeout(None)
    return socket(AF_UNIX, SOCK_STREAM, 0, fileno=attached.raw.detach())


def attach(
    root: str, env: "dict[str, str] | os._Environ[str]", *, start: bool = True, version: str = __version__
) -> Attached | None:
    """As ``connect``, in terms that need no import."""
    if not os.path.isdir(root):
        raise LaunchFailed(f"{root} is not a directory")
    if problem := paths.home_problem(env):
        raise LaunchFailed(problem)
    data = paths.data_dir(env)
    project = paths.project_dir(data, root)
    attached = _greeted(project, env, version)
    if attached is not None and not _replaceable(attached, version):
        return attached
    if not start:
        return attached
    if attached is not None:
        # Under the lock it is asked again, alone: this connection would count as somebody who uses it.
        attached.raw.close()
    for directory in (data, os.path.dirname(project), project):
        _make_private(directory)
    try:
        starting = Lock(paths.start_lock_path(project), wait=True)
    except OSError as error:
        raise LaunchFailed(f"{paths.start_lock_path(project)}: {error.strerror}") from None
    try:
        return _attach_alone(root, data, project, env, version)
    finally:
        starting.close()


def _attach_alone(
    root: str, data: str, project: str, env: "dict[str, str] | os._Environ[str]", version: str
) -> Attached:
    """Nobody else starts a daemon meanwhile."""
    for attempt in range(3):
        attached = _greeted(project, env, version)
        if attached is not None:
            # Only once: what we started is what we have, though its version may surprise (a downgrade under our feet).
            if attempt or not _replaceable(attached, version):
                return attached
            left = _asked_to_leave(attached.raw)
            attached.raw.close()
            attached = None if left else _greeted(project, env, version)
            if attached is not None:
                return attached
        _start(root, data, project, env)
    raise LaunchFailed(f"The daemon of {root} ends as soon as it starts: see {paths.log_path(project)}")


def _replaceable(attached: Attached, version: str) -> bool:
    theirs = attached.daemon.get("version")
    return attached.daemon.get("idle") is True and isinstance(theirs, str) and hello.newer(version, theirs)


def _greeted(project: str, env: "dict[str, str] | os._Environ[str]", version: str) -> Attached | None:
    """Connect and say hello; None when nobody answers there, or the daemon is just ending."""
    raw = dial(project)
    if raw is None:
        return None
    try:
        raw.sendall(hello.of_client(version, _cwd(), env))
        answer = _read_line(raw)
    except TimeoutError:
        raw.close()
        raise LaunchFailed(
            f"The daemon does not answer. If it hangs, end it: its process id is "
            f"{read_note(paths.lock_path(project)).get('pid')}; its log is {paths.log_path(project)}"
        ) from None
    except OSError:
        answer = b""
    if not answer:
        raw.close()
        return None
    said = line.parse(answer) or {}
    if said.get("agentd") != hello.HELLO or "version" not in said:
        raw.close()
        reason = said.get("error") or "its hello is of a kind that this version does not know"
        raise LaunchFailed(f"The daemon of this project refused: {reason}")
    return Attached(raw, said)


def dial(project: str, seconds: float = ANSWER_SECONDS) -> RawSocket | None:
    """A connection to where the lock file says, if a process of ours listens there and takes it in so many seconds."""
    place = read_note(paths.lock_path(project)).get("socket")
    if not isinstance(place, str):
        return None
    raw = RawSocket(AF_UNIX, SOCK_STREAM, 0)
    raw.settimeout(seconds)
    try:
        raw.connect(place)
        if _peer_uid(raw) == os.geteuid():
            return raw
    except OSError:
        pass
    raw.close()
    return None


def _peer_uid(raw: RawSocket) -> int:
    """Keys are sent to no stranger who listens where our daemon did."""
    if sys.platform == "darwin":
        return int.from_bytes(raw.getsockopt(0, 1, 76)[4:8], sys.byteorder)
    return int.from_bytes(raw.getsockopt(SOL_SOCKET, 17, 12)[4:8], sys.byteorder)


def _read_line(raw: RawSocket) -> bytes:
    """Through the line's end; empty when the other side closed. The daemon says no more before it is asked."""
    data = b""
    while not data.endswith(b"\n"):
        piece = raw.recv(65536)
        if not piece or len(data) > hello.MAX_HELLO:
            return b""
        data += piece
    return data


def _asked_to_leave(raw: RawSocket) -> bool:
    """Ask an older daemon to make room; True when it is gone. It refuses when somebody began to use it."""
    data = b""
    try:
        raw.settimeout(LEAVE_SECONDS)
        raw.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(_SHUTDOWN), _SHUTDOWN))
        while b'"error":' not in data:
            piece = raw.recv(65536)
            if not piece:
                return True
            data += piece
    except OSError:
        return True
    return False


def _start(root: str, data: str, project: str, env: "dict[str, str] | os._Environ[str]") -> None:
    """Start a daemon and wait until it listens. Raises ``LaunchFailed`` with what it said."""
    log = paths.log_path(project)
    reading, writing = os.pipe()
    # Above the numbers that the child's standard streams and its pipe will have.
    high = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(writing)
    try:
        child = os.posix_spawn(
            sys.executable,
            # -P: the current directory is the editor's, and no module is to be imported from there.
            [sys.executable, "-P", "-m", "agentd", "serve", "--root", root, "--detach", "--ready-fd", "3"],
            _daemon_environment(data, env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, high, 3),
            ],
        )
    except OSError as error:
        raise LaunchFailed(f"The daemon could not be started: {error.strerror} ({log})") from None
    else:
        os.close(high)
        high = -1
        # It has a child of its own and is gone at once: nobody is left behind as a zombie of ours.
        os.waitpid(child, 0)
        said = _wait_ready(reading)
    finally:
        os.close(reading)
        if high >= 0:
            os.close(high)
    if said not in ("ready", "running"):
        raise LaunchFailed(said or f"The daemon ended before it was ready: see {log}")


def _wait_ready(reading: int) -> str:
    """The line that the daemon writes: ``ready``, ``running`` (another one serves), or what is wrong."""
    waiting = poll()
    waiting.register(reading, POLLIN)
    data = b""
    while not data.endswith(b"\n"):
        if not waiting.poll(READY_SECONDS * 1000):
            raise LaunchFailed(f"The daemon was not ready within {READY_SECONDS:.0f} seconds")
        piece = os.read(reading, 4096)
        if not piece:
            break
        data += piece
    return data.decode("utf-8", "replace").strip()


def _daemon_environment(data: str, env: "dict[str, str] | os._Environ[str]") -> dict[str, str]:
    """Without keys, endpoints and proxies: those are each connection's own, and not those of whoever came first."""
    kept = {name: value for name, value in env.items() if name not in hello.SECRET and name not in hello.NETWORK}
    kept["AGENTD_HOME"] = data
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.basename(package) not in ("site-packages", "dist-packages"):
        # Run from a source tree that may not be installed.
        kept["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [env.get("PYTHONPATH")])])
    return kept


def _make_private(directory: str) -> None:
    """Make it 0700, and so one of ours that is there and that others may enter or read."""
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
    except OSError as error:
        raise LaunchFailed(f"{error.filename or directory}: {error.strerror}") from None
    try:
        state = os.stat(directory)
        if state.st_uid == os.geteuid() and state.st_mode & 0o077:
            os.chmod(directory, 0o700)
    except OSError:
        # Some file systems have no such rights.
        return


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def answers(project: str) -> bool:
    """Whether a daemon of ours listens where the lock file says."""
    raw = dial(project)
    if raw is not None:
        raw.close()
    return raw is not None
