"""Roots that moved keep their sessions; copied ones get their own; a new one at an old path gets none of the old one's.

What is on record of a path (``project.json``) is held against what the root says that it is (``.agentd/project-id``).
Where they differ, or nothing is on record, the other projects are asked who has this id. Every step is a rename or a
file replaced whole, in an order in which a crash is made good by the next start; the id is put on record last.
Blocking; by the holder of the project's lock, before its store is started.
"""

import errno
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agentd.errors import StoreFailed
from agentd.paths import slug
from agentd.store import closing
from agentd.store.files import Files, words
from agentd.store.identity import PROJECT, Disk, Said, disk_of, id_of, read_project, write_project

SESSIONS = "sessions"
INDEX = "index.sqlite3"
_STAY = frozenset({"lock", "start.lock", "daemon.log", PROJECT, SESSIONS})

Hold = Callable[[Path], AbstractContextManager[None]]
"""Holds another project's lock; its daemon is asked to go. Raises AgentdError when it does not."""
Identify = Callable[[Path, str], None]
"""Writes a root's project id. Raises OSError."""


class Root(Enum):
    """What became of the root that a store is of."""

    GONE = "gone, or another project by now"
    THERE = "still that project"
    SAME = "the same directory by another path"
    UNKNOWN = "not to be read"
    NAMELESS = "there, and has lost its project id"
    UNMOUNTED = "on a disk that is not mounted now"
    LINKED = "gone; where its sessions are kept, a link points to"


_NEXT = {
    Root.NAMELESS: " It gets the id back with its next session. If it is not that project any more, remove it.",
    Root.UNMOUNTED: ' Mount it. If there is no such disk any more, take "disk" out of {project}/project.json.',
    Root.LINKED: " Put that directory itself in the place of the link {project}, and they come.",
}
"""What people can do about it, if they wish to."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Another project's directory with the id that our root has."""

    directory: Path
    root: str
    state: Root


@dataclass(frozen=True, slots=True)
class Settled:
    """``project_id`` is what the root is known by, None if it is not known yet. ``notes``: in words for people.

    ``certain``: what the root says may be put on record.
    """

    project_id: str | None = None
    notes: tuple[str, ...] = ()
    certain: bool = True


def settle(files: Files, project: Path, root: str, hold: Hold, identify: Identify) -> Settled:
    """Find out whose sessions are whose, and move what is to move. StoreFailed: not all is done, nothing is lost."""
    try:
        home = read_project(files, project)
    except (OSError, ValueError):
        home = Said()
    try:
        own = id_of(files, Path(root))
    except OSError as error:
        return Settled(home.project_id, (f"The root's project id cannot be read: {words(error)}",), certain=False)
    if home.newer or own is None or own == home.project_id:
        return Settled(home.project_id)
    claims = _claims(files, project, root, own)
    there = [claim for claim in claims if claim.state is Root.THERE]
    if there:
        return _of_its_own(files, project, root, home, there[0].root, identify)
    unclear = [claim for claim in claims if claim.state is not Root.GONE]
    if unclear:
        known = unclear[0]
        note = f"This root has the project id of {known.root}, which is {known.state.value}: its sessions stay there."
        note += _NEXT.get(known.state, "").format(project=known.directory.name)
        return Settled(home.project_id, (note,), certain=False)
    notes: list[str] = []
    left = False
    try:
        if home.project_id is not None:
            _put_aside(files, project, home.root or root, home.project_id, notes)
        for claim in claims:
            with hold(claim.directory):
                left |= not _take_over(files, claim, project, root, own, notes)
        if left:
            return Settled(None, tuple(notes), certain=False)
        write_project(files, project, root, own)
    except OSError as error:
        raise StoreFailed(words(error), "where the sessions of a moved root are; they are all whole") from error
    return Settled(own, tuple(notes))


def _of_its_own(files: Files, project: Path, root: str, home: Said, original: str, identify: Identify) -> Settled:
    """A copy: the id is the original's. This one keeps what is on record of its path, or begins."""
    own = home.project_id or str(uuid.uuid4())
    note = f"This root is a copy of {original}, whose sessions stay there."
    try:
        # First, so that the original's id is never on record here, even if the root cannot be written.
        write_project(files, project, root, own)
        identify(Path(root), own)
    except OSError as error:
        note += f" Its own project id could not be written: {words(error)}"
    return Settled(own, (note,))


def _claims(files: Files, project: Path, root: str, own: str) -> list[Claim]:
    found = []
    for name in sorted(set(files.names(project.parent)) - {project.name}):
        directory = project.parent / name
        try:
            said = read_project(files, directory)
        except (OSError, ValueError):
            continue
        if said.project_id == own and not said.newer and _holds_sessions(files, directory):
            state = _state(files, directory, said, root, own)
            if state is Root.GONE and not files.is_directory(directory):
                # Nothing is moved or removed through a link: what it points to is not only ours.
                state = Root.LINKED
            found.append(Claim(directory, said.root or "", state))
    return found


def _state(files: Files, directory: Path, said: Said, root: str, own: str) -> Root:
    there = said.root
    if not there or there == root:
        return Root.GONE
    # Put aside: another project is known to be at its path.
    aside = directory.name != slug(there)
    try:
        if Path(there).samefile(root):
            # Renamed to other capitals, where those are all the same.
            return Root.GONE if there.casefold() == root.casefold() else Root.SAME
        known = id_of(files, Path(there))
        if known == own:
            return Root.THERE
        if known is None and not aside and Path(there).is_dir():
            return Root.NAMELESS
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return Root.UNKNOWN
    return Root.GONE if aside or _is_mounted(files, said.disk, root) else Root.UNMOUNTED


def _is_mounted(files: Files, disk: Disk | None, root: str) -> bool:
    """Whether what is not at its path is not on its disk either: that is there to be asked, or mounted where we are."""
    if disk is None or files.is_mount(Path(disk.mount)):
        return True
    here = disk_of(files, Path(root))
    return here is not None and here.file is not None and here.file == disk.file


def _take_over(files: Files, claim: Claim, project: Path, root: str, own: str, notes: list[str]) -> bool:
    """All that a project has becomes ours. Its lock is held: it is looked at once more. False: it cannot be moved."""
    try:
        said = read_project(files, claim.directory)
    except (OSError, ValueError):
        return True
    if said.project_id != own or said.newer or _state(files, claim.directory, said, root, own) is not Root.GONE:
        return True
    try:
        left = _move(files, claim.directory, project)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        notes.append(f"The sessions of {claim.root}, which was moved here, stay where they are: {claim.directory.name} "
                     f"is on another disk than {project.name}. Put both on one, and they come.")  # fmt: skip
        return False
    if left:
        notes.append(f"{len(left)} sessions of {claim.root} stay in {claim.directory.name}: their ids are taken here.")
        return True
    notes.append(f"The sessions of {claim.root} moved with it to {root}.")
    _forget(files, claim.directory, whole=slug(claim.root) != claim.directory.name or not Path(claim.root).is_dir())
    return True


def _put_aside(files: Files, project: Path, root: str, project_id: str, notes: list[str]) -> None:
    """What another project left at this path goes where its moved root finds it by its id."""
    if _holds_sessions(files, project):
        aside = _aside(files, project, project_id)
        files.ensure_directory(aside)
        write_project(files, aside, root, project_id)
        _move(files, project, aside)
        notes.append(f"Another project was at {root} before: its sessions are kept for where it was moved to.")
    _forget_derived(files, project)
    files.unlink(project / PROJECT)
    files.sync_directory(project)


def _aside(files: Files, project: Path, project_id: str) -> Path:
    """No slug has such a name: those end in a hyphen and a hash."""
    for number in range(1, 1000):
        path = project.parent / f"{project.name}~{project_id[:8]}.{number}"
        try:
            if not files.exists(path) or read_project(files, path).project_id == project_id:
                return path
        except FileNotFoundError:
            return path
        except (OSError, ValueError):
            continue
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def _move(files: Files, source: Path, target: Path) -> Sequence[str]:
    """Everything but what is derived or of a daemon; the sessions last, in one rename where the target has none.

    The names of sessions that stay, because the target has such.
    """
    _forget_derived(files, target)
    for name in files.names(source):
        if name not in _STAY and not _is_derived(name) and not files.exists(target / name):
            files.rename(source / name, target / name)
    stay: list[str] = []
    # Whoever keeps them elsewhere has a link there: that is what moves.
    if (source / SESSIONS).is_dir():
        if files.is_directory(target / SESSIONS) and not files.names(target / SESSIONS):
            files.remove_tree(target / SESSIONS)
        if not files.exists(target / SESSIONS):
            files.rename(source / SESSIONS, target / SESSIONS)
        else:
            for name in files.names(source / SESSIONS):
                if files.exists(target / SESSIONS / name):
                    stay.append(name)
                else:
                    files.rename(source / SESSIONS / name, target / SESSIONS / name)
            files.sync_directory(target / SESSIONS)
            files.sync_directory(source / SESSIONS)
    files.sync_directory(target)
    files.sync_directory(source)
    return stay


def _holds_sessions(files: Files, directory: Path) -> bool:
    """Or anything else that cannot be made anew."""
    with suppress(OSError):
        if (directory / SESSIONS).is_dir() and files.names(directory / SESSIONS):
            return True
        names = files.names(directory)
        return any(name not in _STAY and not _is_derived(name) and not name.startswith(".") for name in names)
    return False


def _forget(files: Files, directory: Path, *, whole: bool) -> None:
    """A project that has nothing of its own any more; ``whole``: nor does anybody start a daemon there. Best effort."""
    with suppress(OSError):
        _forget_derived(files, directory)
        files.unlink(directory / PROJECT)
        files.sync_directory(directory)
        if whole and not set(files.names(directory)) - _STAY and not _holds_sessions(files, directory):
            files.remove_tree(directory)


def _forget_derived(files: Files, directory: Path) -> None:
    for name in files.names(directory):
        if _is_derived(name):
            files.unlink(directory / name)


def _is_derived(name: str) -> bool:
    """Said of the sessions that were here: the index, and that they were closed in order."""
    return name.startswith(INDEX) or name == closing.NAME
