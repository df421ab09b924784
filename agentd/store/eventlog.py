"""The event log: one line for what happened, for debugging. Best effort: capped, not synced, and it never fails.

No bodies and no keys: values are numbers and short strings, anything else is left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentd.store import lines
from agentd.store.files import Files

NAME = "events.jsonl"
OLDER = "events.1.jsonl"
LARGEST = 1 << 20
LONGEST_VALUE = 200


def event_line(name: str, fields: Mapping[str, Any]) -> bytes:
    """The line of an event. Never raises."""
    entry: dict[str, Any] = {"time": lines.now(), "event": name}
    for key, value in fields.items():
        if key not in entry and (value is None or isinstance(value, (bool, int, float))):
            entry[key] = value
        elif key not in entry and isinstance(value, str):
            entry[key] = value[:LONGEST_VALUE]
    try:
        return lines.seal_object(entry)
    except ValueError:
        return b""


class EventLog:
    def __init__(self, files: Files, directory: Path) -> None:
        self._files = files
        self._path = directory / NAME

    def write(self, events: Sequence[bytes]) -> None:
        """In a worker, one call at a time. Never raises."""
        try:
            fd = self._files.append_to(self._path, create=True)
            try:
                self._files.write(fd, b"".join(events))
                full = self._files.stat_open(fd).st_size > LARGEST
            finally:
                self._files.close(fd)
            if full:
                self._files.rename(self._path, self._path.with_name(OLDER))
        except OSError:
            return
