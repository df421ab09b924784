"""Where things are: the root of a folder, and the data, project and socket paths of a root.

Says where, and makes nothing. Imports next to nothing, because ``agentd lsp`` runs through here while an editor waits:
``typing`` alone would double its start, ``platformdirs`` treble it. Paths are ``str``, and hold any file name.
"""

# Paths are str here: pathlib alone would cost the bridge 3 ms.
# ruff: noqa: PTH208, PTH110, PTH111, PTH112, PTH113, PTH116, PTH117, PTH118, PTH120

import os
import sys

MAX_SOCKET = 103
"""Bytes in a socket's path: macOS has room for 104 with the final NUL, Linux for 108."""

MAX_SLUG_PATH = 200
OURS = ("run", "models", "scratch", "credentials.json", "cli-error.log")
"""What may be in a data directory before there is a project in it."""


def data_dir(env: "os._Environ[str] | dict[str, str]") -> str:
    """``$AGENTD_HOME``, else the platform's user data directory, the same that ``platformdirs`` names. Real path."""
    chosen = env.get("AGENTD_HOME")
    if not chosen:
        home = env.get("HOME") or os.path.expanduser("~")
        given = env.get("XDG_DATA_HOME", "").strip()
        # A relative path is to be ignored, says the XDG specification: it would name another store in each folder.
        if os.path.isabs(given):
            base = given
        elif sys.platform == "darwin":
            base = os.path.join(home, "Library", "Application Support")
        else:
            base = os.path.join(home, ".local", "share")
        chosen = os.path.join(base, "agentd")
    return os.path.realpath(os.path.expanduser(chosen))


def home_problem(env: "os._Environ[str] | dict[str, str]") -> str | None:
    """What is wrong with ``$AGENTD_HOME``, in words for people; None when it can be a data directory, or is not set."""
    chosen = env.get("AGENTD_HOME")
    if chosen and not os.path.isabs(os.path.expanduser(chosen)):
        return f"AGENTD_HOME is '{chosen}', which would be another store in each folder: give an absolute path"
    if chosen and os.path.exists(data_dir(env)) and not os.path.isdir(data_dir(env)):
        return f"AGENTD_HOME is '{chosen}', which is not a directory"
    if chosen and _foreign(data_dir(env)):
        return f"AGENTD_HOME is '{chosen}', where other things than agentd's are kept: give it a directory of its own"
    needs_home = not chosen and not os.path.isabs(env.get("XDG_DATA_HOME", "").strip())
    if needs_home and not os.path.isdir(env.get("HOME") or os.path.expanduser("~")):
        return f"HOME is '{env.get('HOME', '')}', which is not a directory: set it, or AGENTD_HOME"
    return None


def _foreign(directory: str) -> bool:
    """Whether an existing directory is somebody else's: it is made 0700, so nothing but ours may be in it."""
    try:
        names = set(os.listdir(directory))
    except OSError:
        return False  # not there yet, or not to be read: whoever makes it says so
    return "projects" not in names and not all(name.startswith(".") or name in OURS for name in names)


def slug(root: str) -> str:
    """A directory name for a root: readable, and different for every two roots.

    ``/home/user/my-app`` → ``-home-user-my-app-1a2b3c4d``: cut at 200 bytes, never within a UTF-8 character.
    """
    raw = os.fsencode(root)
    flat = raw.replace(b"/", b"-")
    if len(flat) > MAX_SLUG_PATH:
        end = MAX_SLUG_PATH
        while end > MAX_SLUG_PATH - 4 and flat[end] & 0xC0 == 0x80:
            end -= 1
        flat = flat[:end]
    return os.fsdecode(flat) + "-" + _digest(raw)[:8]


def project_dir(data: str, root: str) -> str:
    """All that is kept of a root's project."""
    return os.path.join(data, "projects", slug(root))


def lock_path(project: str) -> str:
    """The daemon's flock; its content says where the daemon listens."""
    return os.path.join(project, "lock")


def start_lock_path(project: str) -> str:
    """Held by whoever is starting a daemon, until that is ready."""
    return os.path.join(project, "start.lock")


def log_path(project: str) -> str:
    return os.path.join(project, "daemon.log")


def scratch_root(data: str) -> str:
    """The root of a client that has no folder open."""
    return os.path.join(data, "scratch")


def socket_dirs(env: "os._Environ[str] | dict[str, str]", data: str) -> tuple[str, ...]:
    """Where the socket may live, best first. Short enough for a socket's name; whether they are ours is not known."""
    runtime = env.get("XDG_RUNTIME_DIR", "")
    wished = [os.path.join(runtime, "agentd")] if os.path.isabs(runtime) else []
    longest = "/" + "0" * 16 + "-9.sock"
    return tuple(d for d in [*wished, os.path.join(data, "run")] if len(os.fsencode(d + longest)) <= MAX_SOCKET)


def socket_name(data: str, root: str, attempt: int = 0) -> str:
    """The socket's file name. ``attempt`` counts the names that were found taken by a stranger's file."""
    digest = _digest(os.fsencode(data) + b"\0" + os.fsencode(root))[:16]
    return f"{digest}-{attempt}.sock" if attempt else f"{digest}.sock"


def find_root(folder: str, home: str | None = None) -> str:
    """The root that a folder belongs to: one rule for every client.

    The nearest folder upward with ``.agentd/project-id`` or ``.git``, else the folder itself. A project-id does not
    beat a nearer ``.git``: every root gets one at its first session, and a chat in ``~/projects`` must not take over
    the repositories below it, whose own sessions would then be out of sight. The search ends before the home directory
    (dotfiles under git make no project of all of home), at a file-system border (no automount is
    woken) and at a directory of another owner than the folder's (nobody plants a root above ``/tmp/x``).
    """
    start = os.path.realpath(folder)
    stop = os.path.realpath(home or os.path.expanduser("~"))
    try:
        origin = os.stat(start)
    except OSError:
        return start
    here = start
    while True:
        if os.path.isfile(os.path.join(here, ".agentd", "project-id")) or os.path.exists(os.path.join(here, ".git")):
            return here
        parent = os.path.dirname(here)
        if parent in (here, stop):
            break
        try:
            above = os.stat(parent)
        except OSError:
            break
        if above.st_dev != origin.st_dev or above.st_uid != origin.st_uid:
            break
        here = parent
    return start


def _digest(data: bytes) -> str:
    """SHA-256. By CPython's own module where it can be had: hashlib loads OpenSSL, a quarter of the bridge's start."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            from hashlib import sha256
    return str(sha256(data).hexdigest())
