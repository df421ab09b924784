"""``<root>/.agentd/``: made on first need, ignoring itself in git, and watched. Nothing in it is interpreted here."""

import asyncio
import errno
import logging
import os
import stat
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread

from agentd import clock
from agentd.core.identity import LONGEST, project_id_in
from agentd.errors import InvalidParams, StoreFailed
from agentd.protocol import DocumentInfo
from agentd.protocol.base import sound_text

logger = logging.getLogger(__name__)
GITIGNORE = "/*\n!/agents/\n!/prompts/\n"
"""Everything stays out of git but what a team may share."""
GATHER_SECONDS = 0.05
"""One save of an editor is several events on several files; they are told once."""
QUIET = ("opened", "closed_no_write")


class ProjectFolder:
    """The project's folder beside the code. A root that cannot be written has none, and chats all the same."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / ".agentd"
        self._ensured = False
        self.identity: str | None = None
        """What the root was known by, should it have lost its project id (a fresh clone at the same place)."""
        self._observer: Any = None
        self._observing = False
        self._closed = False
        self._changed: Callable[[str], None] | None = None
        self._to_tell: set[str] = set()

    async def ensure(self) -> None:
        """Make the folder with its project id, unless it is there."""
        if self._ensured:
            return
        self._ensured = True
        try:
            await anyio.to_thread.run_sync(make_project, self._root, self.identity)
        except OSError as error:
            logger.warning("%s cannot be made: %s", self._path, error.strerror or error)
            return
        if self._changed is not None:
            await self.watch(self._changed)

    async def documents(self, session_id: str) -> tuple[DocumentInfo, ...]:
        """The session's documents, by name."""
        return await anyio.to_thread.run_sync(_documents, self._path / "sessions" / session_id)

    async def counts(self) -> dict[str, int]:
        """How many documents there are, by session."""
        return await anyio.to_thread.run_sync(_counts, self._path / "sessions")

    def documents_uri(self, session_id: str) -> str:
        """Of the directory of the session's documents, there or not."""
        return (self._path / "sessions" / session_id).as_uri()

    async def create_document(self, session_id: str, name: str, text: str) -> str:
        """Make a document and answer its URI. Raises InvalidParams for a name that is none or is taken, StoreFailed."""
        await self.ensure()
        try:
            return await anyio.to_thread.run_sync(_create, self._path, session_id, checked_document(name), text)
        except FileExistsError:
            raise InvalidParams(f"name: this session has a document '{name}' already; it was left as it is") from None
        except OSError as error:
            raise StoreFailed(error.strerror or str(error), "document") from None

    async def branch(self) -> str | None:
        """The branch that is checked out, read from git's HEAD as text."""
        return await anyio.to_thread.run_sync(_branch, self._root)

    async def watch(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with a session's id, on the event loop, when its documents change on disk.

        While there is no folder nothing is watched; ``ensure`` begins it.
        """
        self._changed = changed
        if self._observing or self._closed or self._path.is_symlink() or not self._path.is_dir():
            return
        self._observing = True
        observer = await anyio.to_thread.run_sync(_observe, self._path, asyncio.get_running_loop(), self._note)
        self._observing = observer is not None
        self._observer = observer
        if self._closed:
            self.close()

    def close(self) -> None:
        """No more calls. The watch ends on a thread of the loop's, which the loop's end waits for: it takes a while."""
        self._closed = True
        observer, self._observer = self._observer, None
        if observer is not None:
            asyncio.get_running_loop().run_in_executor(None, _end, observer)

    def _note(self, session_id: str) -> None:
        if not self._to_tell:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)
        self._to_tell.add(session_id)

    def _tell(self) -> None:
        changed, self._to_tell = self._to_tell, set()
        if self._changed is not None and not self._closed:
            for session_id in sorted(changed):
                self._changed(session_id)


def make_project(root: Path, known_as: str | None = None) -> Path:
    """Make ``<root>/.agentd`` with a project id and a ``.gitignore``; what is there stays. Returns the folder.

    ``known_as`` is the id that this place had before, if any. Raises OSError. A link in the folder's place is not
    followed.
    """
    path = root / ".agentd"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a symbolic link stands in its place", str(path))
    _write_new(path / ".gitignore", GITIGNORE)
    _identify(path / "project-id", known_as or str(uuid.uuid4()))
    return path


def _identify(path: Path, project_id: str) -> None:
    """Written whole or not at all, and never over an id that is there. What is no id (a torn one) gives way."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return
    if path.exists() and project_id_in(path.read_bytes()[: LONGEST + 1]) is not None:
        return
    set_project_id(path.parent.parent, project_id)


def set_project_id(root: Path, project_id: str) -> None:
    """Exchange the root's id. Raises OSError."""
    folder = root / ".agentd"
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "a symbolic link stands in its place", str(folder))
    building = folder / f".project-id.{os.urandom(4).hex()}"
    _write_new(building, project_id + "\n")
    try:
        building.replace(folder / "project-id")
    except OSError:
        building.unlink(missing_ok=True)
        raise


def checked_document(name: str) -> str:
    """A file name of a document, with ``.md``. Raises InvalidParams for what leads elsewhere or could not be shown."""
    stripped = name.strip()
    file = stripped if stripped.lower().endswith(".md") else f"{stripped}.md"
    plain = file.isprintable() and not set(file) & set('/\\:*?"<>|') and not file.startswith(".")
    if not stripped or not plain or len(file.encode()) > 200:
        raise InvalidParams("name: a document's name is one file name: 1 to 200 bytes, no slashes, no dot in front")
    return file[:-3] + ".md"


def _create(folder: Path, session_id: str, name: str, text: str) -> str:
    """In a worker. A link in place of a directory is not followed: it may lead out of the project."""
    directory = folder / "sessions" / session_id
    for place in (folder, directory.parent, directory):
        place.mkdir(mode=0o700, exist_ok=True)
        if place.is_symlink():
            raise OSError(errno.ELOOP, "a symbolic link stands in its place", str(place))
    path = directory / name
    if path.exists() or path.is_symlink():
        raise FileExistsError
    _write_new(path, text)
    return path.as_uri()


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. One that cannot be written whole (a full disk) is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _branch(root: Path) -> str | None:
    try:
        head = _first_line(_git_dir(root) / "HEAD")
    except (OSError, ValueError):
        return None
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else None


def _git_dir(root: Path) -> Path:
    """Where git keeps this work tree's HEAD: ``.git``, or the directory that a file in its place names."""
    path = root / ".git"
    return path if path.is_dir() else root / _first_line(path).removeprefix("gitdir: ")


def _first_line(path: Path) -> str:
    """Of a small regular file; nothing else is opened, because a pipe would hang us. Raises OSError, ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with path.open(encoding="utf-8") as file:
        return file.readline(4096).rstrip("\n")


def _counts(sessions: Path) -> dict[str, int]:
    if sessions.is_symlink() or sessions.parent.is_symlink():
        return {}
    try:
        directories = [entry for entry in os.scandir(sessions) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return {}
    return {entry.name: len(_documents(Path(entry.path))) for entry in directories}


def _documents(directory: Path) -> tuple[DocumentInfo, ...]:
    """Regular files only: a link may lead out of the project."""
    found: list[DocumentInfo] = []
    if any(place.is_symlink() for place in (directory, directory.parent, directory.parent.parent)):
        return ()
    try:
        entries = sorted(path for path in directory.iterdir() if _is_document(path))
    except OSError:
        return ()
    for path in entries:
        try:
            status = path.lstat()
            modified = clock.rfc3339(datetime.fromtimestamp(status.st_mtime, UTC))
        except (OSError, ValueError, OverflowError):  # gone meanwhile, or of the year 60000
            continue
        if stat.S_ISREG(status.st_mode):
            name = sound_text(path.name)
            found.append(DocumentInfo(uri=path.as_uri(), name=name, size=status.st_size, modified=modified))
    return tuple(found)


def _is_document(path: Path) -> bool:
    """A dot begins what editors put beside a file while it is open."""
    return path.suffix == ".md" and not path.name.startswith(".")


def _observe(path: Path, loop: asyncio.AbstractEventLoop, changed: Callable[[str], None]) -> Any:
    """A running watchdog observer, or None where the system has no watches left: lists are then read when asked."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    sessions = path / "sessions"
    # watchdog 7 warns when directories come faster than it adds its watches; it then does the right thing.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in QUIET:
                return
            for place in (event.src_path, event.dest_path):
                name = _session_of(Path(os.fsdecode(place)), sessions, event.is_directory and event.event_type)
                if name is not None:
                    with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                        loop.call_soon_threadsafe(changed, name)

    observer = Observer()
    observer.daemon = True
    try:
        observer.schedule(Handler(), str(path), recursive=True)
        observer.start()
    except OSError as error:
        logger.warning("%s is not watched: %s", path, error.strerror or error)
        return None
    return observer


def _end(observer: Any) -> None:
    """Of a watch: its threads join each other while they stop."""
    observer.stop()
    observer.join(timeout=5)


def _session_of(path: Path, sessions: Path, directory_event: object) -> str | None:
    """The session whose documents an event is about: a document, or a whole directory of them that came or went."""
    if path.parent.parent == sessions and _is_document(path):
        return path.parent.name
    if path.parent == sessions and directory_event in ("created", "deleted", "moved"):
        return path.name
    return None
