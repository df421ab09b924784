"""Prompts that wait: ``queue.jsonl``, a synced line for each one added or dropped, rewritten when it has grown.

``last`` in a line keeps the highest turn number that was ever given: a dropped prompt's number is not given again.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from agentd.store import lines
from agentd.store.api import QueuedPrompt
from agentd.store.files import Files, saving

NAME = "queue.jsonl"
LARGE = 8192


_STORED = TypeAdapter(QueuedPrompt)

Change = QueuedPrompt | int
"""A prompt that was added, or the number of one that was dropped."""


class QueueRead(NamedTuple):
    """What waits by number, the highest number ever given, the file's size. Not ``sound``: it ends in a torn line."""

    waiting: dict[int, QueuedPrompt]
    last: int = 0
    size: int = 0
    sound: bool = True
    problems: tuple[str, ...] = ()


class Queue:
    """The writing side. One batch at a time."""

    def __init__(self, files: Files, directory: Path, found: QueueRead) -> None:
        self._files = files
        self._path = directory / NAME
        self._waiting = dict(found.waiting)
        self._last = found.last
        self._size = found.size
        self._sound = found.sound

    def write(self, changes: Sequence[Change]) -> None:
        """In a worker. StoreFailed: none of these changes happened."""
        waiting, last = dict(self._waiting), self._last
        data = b""
        for change in changes:
            if isinstance(change, QueuedPrompt):
                waiting[change.number] = change
                last = max(last, change.number)
            else:
                waiting.pop(change, None)
                last = max(last, change)
            data += _line(change, last)
        with saving("prompt"):
            if self._sound and self._size + len(data) <= LARGE + 4 * sum(len(one.prompt) for one in waiting.values()):
                self._append(data)
            else:
                data = whole_queue(tuple(waiting.values()), last)
                self._files.replace(self._path, data)
                self._size, self._sound = len(data), True
        self._waiting, self._last = waiting, last

    def _append(self, data: bytes) -> None:
        # Whatever goes wrong here, the next write replaces the file: what was not acknowledged does not linger. Nor
        # does it when there is no next write: it is cut off, if the disk still does that much.
        self._sound = False
        fd = self._files.append_to(self._path, create=True)
        try:
            end = self._files.stat_open(fd).st_size
            try:
                self._files.write(fd, data)
                self._files.sync(fd)
                if self._size == 0:
                    self._files.sync_directory(self._path.parent)
            except BaseException:
                self._files.cut_back(fd, end)
                raise
        finally:
            # What counts was synced: there is nothing that a failing close could lose.
            with suppress(OSError):
                self._files.close(fd)
        self._size += len(data)
        self._sound = True


def read_queue(files: Files, directory: Path) -> QueueRead:
    """What the file says, as well as it can be read. Raises OSError."""
    try:
        data = files.contents(directory / NAME)
    except FileNotFoundError:
        return QueueRead({})
    waiting: dict[int, QueuedPrompt] = {}
    last, problems = 0, []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        parsed = lines.parse_object(line)
        if parsed is None:
            problems.append(f"{NAME} line {number}: damaged, and left out. All else is used.")
            continue
        value = parsed[0]
        given = value.get("last")
        last = max(last, given) if isinstance(given, int) else last
        if isinstance(dropped := value.get("drop"), int):
            waiting.pop(dropped, None)
        elif "add" in value:
            try:
                added = _STORED.validate_python(value["add"])
            except ValidationError:
                problems.append(f"{NAME} line {number}: not a prompt, and left out. All else is used.")
                continue
            waiting[added.number] = added
            last = max(last, added.number)
    return QueueRead(waiting, last, len(data), not data or data.endswith(b"\n"), tuple(problems))


def whole_queue(waiting: Sequence[QueuedPrompt], last: int) -> bytes:
    """The file that says this and no more: what waits, and the highest number that was ever given."""
    return lines.seal_object({"last": last}) + b"".join(_line(one, last) for one in waiting)


def _line(change: Change, last: int) -> bytes:
    if not isinstance(change, QueuedPrompt):
        return lines.seal_object({"drop": change, "last": last})
    stored = _STORED.dump_python(change, mode="json", exclude_defaults=True, exclude_none=True, by_alias=True)
    return lines.seal_object({"add": stored, "last": last})
