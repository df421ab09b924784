"""``<root>/.agentd/``: made on first need, ignoring itself in git, and watched. Nothing in it is interpreted here."""

import asyncio
import logging
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread

from agentd import clock
from agentd.protocol import DocumentInfo

logger = logging.getLogger(__name__)
GITIGNORE = "/*\n!/agents/\n!/prompts/\n"
"""Everything stays out of git but what a team may share."""


class ProjectFolder:
    """The project's folder beside the code. A root that cannot be written has none, and chats all the same."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / ".agentd"
        self._ensured = False
        self._observer: Any = None
        self._changed: Callable[[str], None] | None = None

    async def ensure(self) -> None:
        """Make the folder with its project id, unless it is there."""
        if self._ensured:
            return
        self._ensured = True
        try:
            await anyio.to_thread.run_sync(make_project, self._root)
        except OSError as error:
            logger.warning("%s cannot be made: %s", self._path, os.strerror(error.errno or 0))
            return
        if self._changed is not None:
            await self.watch(self._changed)

    async def documents(self, session_id: str) -> tuple[DocumentInfo, ...]:
        """The session's documents, by name."""
        return await anyio.to_thread.run_sync(_documents, self._path / "sessions" / session_id)

    def branch(self) -> str | None:
        """The branch that is checked out, read from git's HEAD as text."""
        try:
            head = (self._root / ".git" / "HEAD").read_text(encoding="utf-8")[:300].strip()
        except (OSError, UnicodeDecodeError):
            return None
        return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else None

    async def watch(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with a session's id, on the event loop, when its documents change on disk."""
        self._changed = changed
        if self._observer is not None or not self._path.is_dir():
            return
        loop = asyncio.get_running_loop()
        self._observer = await anyio.to_thread.run_sync(_observe, self._path, loop, changed)

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer = None


def make_project(root: Path) -> Path:
    """Make ``<root>/.agentd`` with a project id and a ``.gitignore``; what is there stays. Returns the folder.

    Raises OSError. A link in the folder's place is not followed.
    """
    path = root / ".agentd"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink():
        raise OSError(40, "a symbolic link stands in its place", str(path))
    _write_new(path / ".gitignore", GITIGNORE)
    _write_new(path / "project-id", str(uuid.uuid4()) + "\n")
    return path


def _write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _documents(directory: Path) -> tuple[DocumentInfo, ...]:
    found: list[DocumentInfo] = []
    try:
        entries = sorted(directory.glob("*.md"))
    except OSError:
        return ()
    for path in entries:
        try:
            status = path.lstat()
        except OSError:
            continue
        modified = clock.rfc3339(datetime.fromtimestamp(status.st_mtime, UTC))
        found.append(DocumentInfo(uri=path.as_uri(), name=path.name, size=status.st_size, modified=modified))
    return tuple(found)


def _observe(path: Path, loop: asyncio.AbstractEventLoop, changed: Callable[[str], None]) -> Any:
    """A running watchdog observer, or None where the system has no watches left: lists are then read when asked."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    sessions = path / "sessions"

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in ("opened", "closed_no_write"):
                return
            for place in (event.src_path, event.dest_path):
                changed_path = Path(os.fsdecode(place))
                if changed_path.suffix == ".md" and changed_path.parent.parent == sessions:
                    loop.call_soon_threadsafe(changed, changed_path.parent.name)

    observer = Observer()
    observer.daemon = True
    try:
        observer.schedule(Handler(), str(path), recursive=True)
        observer.start()
    except OSError as error:
        logger.warning("%s is not watched: %s", path, os.strerror(error.errno or 0))
        return None
    return observer
