"""``project.json``: which root a project's store is of, and the id by which that root is known wherever it is moved to.

An id that is on record is never exchanged here: whether a root is another one now is decided in ``moved``. Blocking:
call from a worker.
"""

import errno
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from agentd.core.identity import LONGEST, PROJECT_ID, project_id_in
from agentd.store.files import Files, words

PROJECT = "project.json"
VERSION = 1
_CANNOT_TELL = (errno.EACCES, errno.EPERM, errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EHOSTDOWN)
"""The file may be there, and is not to be had just now."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Where a root is that can be unmounted: its mount point, and which file its project id is, as that disk counts."""

    mount: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a ``project.json`` says. ``newer``: a later version of agentd wrote it."""

    root: str | None = None
    project_id: str | None = None
    newer: bool = False
    disk: Disk | None = None


def id_of(files: Files, root: Path) -> str | None:
    """What a root says that it is; None when there is no file that says so. OSError: it cannot be told."""
    path = Path(root, *PROJECT_ID)
    try:
        if path.parent.is_symlink():
            return None
        return project_id_in(files.small_file(path, LONGEST))
    except OSError as error:
        if error.errno in _CANNOT_TELL:
            raise
        return None


def disk_of(files: Files, root: Path) -> Disk | None:
    """None: it is on the disk that the system itself is on."""
    mount = files.mount_of(root)
    if mount is None:
        return None
    try:
        state = files.stat(Path(root, *PROJECT_ID))
    except OSError:
        return Disk(str(mount))
    # Neither changes when a root is renamed or its disk is mounted elsewhere; a copy's are others.
    return Disk(str(mount), f"{state.st_ino}-{state.st_mtime_ns}")


def read_project(files: Files, directory: Path) -> Said:
    """Raises OSError, and ValueError for a file that is damaged."""
    there = _parsed(files, directory)
    root, project_id = there.get("root"), there.get("project_id")
    return Said(
        root if isinstance(root, str) else None,
        project_id_in(project_id) if isinstance(project_id, str) else None,
        _is_newer(there),
        _disk_in(there.get("disk")),
    )


def write_project(files: Files, directory: Path, root: str, project_id: str | None) -> None:
    """These values; fields of others stay. Raises OSError."""
    try:
        there = _parsed(files, directory)
    except (OSError, ValueError):
        there = {}
    wanted = {**there, "version": VERSION, "root": root}
    wanted.pop("project_id", None)
    if project_id is not None:
        wanted["project_id"] = project_id
    if Path(root).is_dir():
        wanted.pop("disk", None)
        disk = disk_of(files, Path(root))
        if disk is not None:
            wanted["disk"] = {key: value for key, value in asdict(disk).items() if value is not None}
    if wanted != there:
        files.replace(directory / PROJECT, json.dumps(wanted, indent=2).encode() + b"\n")


class Identity:
    """The file of a store in use. Best effort: a store that cannot be written can be read."""

    def __init__(self, files: Files, directory: Path, root: str) -> None:
        self._files = files
        self._directory = directory
        self._root = root
        self._identified = False
        self.certain = True
        """Else what the root says is not put on record: whether it is that one could not be found out."""
        self._identifying = Lock()

    def record(self, notes: list[str]) -> bool:
        """Bring the file up to date. True: a later version of agentd wrote it, and it is left alone."""
        try:
            said = read_project(self._files, self._directory)
        except FileNotFoundError:
            said = Said()
        except (OSError, ValueError) as error:
            notes.append(f"{PROJECT} could not be read and was made anew: {error}")
            said = Said()
        if said.newer:
            notes.append("A newer version of agentd wrote this project's sessions: they are open for reading only.")
            return True
        project_id = said.project_id or self._of_root()
        try:
            write_project(self._files, self._directory, self._root, project_id)
        except OSError as error:
            notes.append(f"{PROJECT} could not be written: {words(error)}")
        else:
            self._identified = project_id is not None
        return False

    def settle(self) -> None:
        """A root is given its id with its first session: after the store was started. The next one tries again."""
        with self._identifying:
            if not self._identified and self._of_root() is not None:
                self.record([])

    def _of_root(self) -> str | None:
        try:
            return id_of(self._files, Path(self._root)) if self.certain else None
        except OSError:
            return None


def _parsed(files: Files, directory: Path) -> dict[str, Any]:
    value = json.loads(files.contents(directory / PROJECT))
    return value if isinstance(value, dict) else {}


def _disk_in(value: object) -> Disk | None:
    if not isinstance(value, dict) or not isinstance(mount := value.get("mount"), str):
        return None
    return Disk(mount, file if isinstance(file := value.get("file"), str) else None)


def _is_newer(there: dict[str, Any]) -> bool:
    version = there.get("version", VERSION)
    return isinstance(version, int) and version > VERSION
