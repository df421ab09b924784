"""The event log: one line for what happened, for debugging. Best effort: capped, not synced, and it never fails.

No bodies and no keys: values are numbers and short strings, anything else is left out. ``seq`` counts the lines of a
session; when the file is full it becomes the older one of two, and what that held is gone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentd.store import lines
from agentd.store.api import LoggedEvents
from agentd.store.files import Files

NAME = "events.jsonl"
OLDER = "events.1.jsonl"
LARGEST = 1 << 20
LONGEST_VALUE = 200

Entry = dict[str, Any]
"""A line without its ``seq``."""


def event_entry(name: str, fields: Mapping[str, Any]) -> Entry:
    """What of an event is kept. Never raises."""
    entry: Entry = {"time": lines.now(), "event": name}
    for key, value in fields.items():
        if key not in (*entry, "seq", "crc") and (value is None or isinstance(value, (bool, int, float))):
            entry[key] = value
        elif key not in (*entry, "seq", "crc") and isinstance(value, str):
            entry[key] = value[:LONGEST_VALUE]
    return entry


class EventLog:
    def __init__(self, files: Files, directory: Path) -> None:
        self._files = files
        self._directory = directory
        self._path = directory / NAME
        self._seq: int | None = None

    def write(self, events: Sequence[Entry]) -> None:
        """In a worker, one call at a time. Never raises."""
        try:
            if self._seq is None:
                self._seq = max((entry["seq"] for entry in _kept(self._files, self._directory)), default=0)
            fd = self._files.append_to(self._path, create=True)
            try:
                size = self._files.stat_open(fd).st_size
                data = b"" if not size or self._ends_a_line(size) else b"\n"
                for entry in events:
                    self._seq += 1
                    data += _line(self._seq, entry)
                self._files.write(fd, data)
                full = size + len(data) > LARGEST
            finally:
                self._files.close(fd)
            if full:
                self._files.rename(self._path, self._path.with_name(OLDER))
        except OSError:
            return

    def _ends_a_line(self, size: int) -> bool:
        """What a crash cut off is to cost its own line and not the next one."""
        fd = self._files.open_read(self._path)
        try:
            return self._files.read_at(fd, 1, size - 1) == b"\n"
        finally:
            self._files.close(fd)


def read_events(files: Files, directory: Path, after: int, limit: int) -> LoggedEvents:
    """The first ``limit`` lines after ``after`` of those that are kept. Raises OSError."""
    found = [entry for entry in _kept(files, directory) if entry["seq"] > after]
    return LoggedEvents(tuple(found[:limit]), len(found) > limit)


def _kept(files: Files, directory: Path) -> list[dict[str, Any]]:
    """All lines that can be read, oldest first. One without a number of its own has the next."""
    kept: list[dict[str, Any]] = []
    seq = 0
    for name in (OLDER, NAME):
        try:
            data = files.contents(directory / name)
        except FileNotFoundError:
            continue
        for line in data.split(b"\n"):
            parsed = lines.parse_object(line) if line else None
            if parsed is None or not isinstance(parsed[0].get("event"), str):
                continue
            said = parsed[0].get("seq")
            seq = said if isinstance(said, int) and said > seq else seq + 1
            kept.append({"seq": seq} | {key: one for key, one in parsed[0].items() if key not in ("seq", "crc")})
    return kept


def _line(seq: int, entry: Entry) -> bytes:
    try:
        return lines.seal_object({"seq": seq, **entry})
    except ValueError:
        return b""
