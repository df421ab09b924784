"""The ``agentd`` format, reading side: finds every part that can be found, and says what is damaged.

Where a part's line says it ends, the next one begins; where that is not so, the next one is searched for. What each
part's line says stands once more at the end. Everything in an archive is hostile: names and numbers are checked before
they are used. Blocking: in a worker.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentd.errors import ImportFailed
from agentd.store.lines import parse_object
from agentd.store.transfer.archive import BASE64, FORMAT, PLAIN, VERSION, Described, marker
from agentd.store.transfer.source import BLOCK, Source, find, line_at

LONGEST_LINE = 1 << 16
LONGEST_END = 16 << 20
MOST_PARTS = 200_000
MOST_DAMAGED = 100
_BOUNDARY = re.compile(rb"(?:^|\n)--([0-9a-f]{32}) \{")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A part in the archive: ``extent`` bytes from ``start``. ``shifted``: not as many as its line says."""

    described: Described
    start: int
    extent: int
    shifted: bool = False

    @property
    def name(self) -> str:
        return self.described.name


def is_archive(beginning: bytes) -> bool:
    """Whether a file that begins so is in our format."""
    first = beginning.partition(b"\n")[0]
    return first.startswith(b"{") and f'"format":"{FORMAT}"'.encode() in first.replace(b" ", b"")


class Archive:
    """An archive, its parts found. ``problems`` grows while parts are read: in words for people."""

    def __init__(self, source: Source) -> None:
        """Raises ImportFailed for what is no archive, or of a version that is not known."""
        self._source = source
        self.problems: list[str] = []
        line = line_at(source, 0, LONGEST_LINE) or b""
        first, sound = _line_of(line)
        boundary = self._boundary(first.get("boundary"))
        if boundary is None:
            raise ImportFailed("This is no session exported by agentd, or too damaged: no part of it can be found.")
        version = first.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            raise ImportFailed(
                f"This session was exported by a newer agentd (format {version}; this one reads {VERSION}). "
                "Update agentd, then import it again."
            )
        if not sound:
            self.problems.append("The first line is damaged. All else is used.")
        self.session_id: str | None = first["id"] if isinstance(first.get("id"), str) else None
        self._marker = marker(boundary)
        self._ending = self._read_ending()
        self.entries = tuple(self._found(len(line) + 1))
        missing = len(self._ending or ()) - len(self.entries)
        if self._ending is None:
            self.problems.append("The end is missing: the file was cut off, or is damaged. What is there is used.")
        elif missing > 0:
            found = {entry.name for entry in self.entries}
            names = ", ".join(dict.fromkeys(one.name[:80] for one in self._ending if one.name not in found))
            self.problems.append(f"{missing} of {len(self._ending)} parts are missing: {names[:400]}.")

    def entry(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """A part's bytes, damaged ones as they are. A part that is not as it was exported is named in ``problems``."""
        digest, size = hashlib.sha256(), 0
        for block in self._decoded(entry):
            if block is None:
                continue
            digest.update(block)
            size += len(block)
            yield block
        wanted = entry.described
        if size != wanted.size:
            self.problems.append(f"{wanted.name} is damaged: {size} of {wanted.size} bytes. What is whole is used.")
        elif digest.hexdigest() != wanted.sha256:
            self.problems.append(f"{wanted.name} is damaged: its checksum does not fit. What is whole is used.")

    def read(self, entry: Entry, most: int) -> bytes | None:
        """A small part whole; None if it is larger than ``most`` bytes."""
        if entry.extent > 2 * most:
            return None
        data = b"".join(self.chunks(entry))
        return data if len(data) <= most else None

    def _boundary(self, said: object) -> str | None:
        """As the first line says it; if that is damaged, as the second one does."""
        if isinstance(said, str) and re.fullmatch("[0-9a-f]{32}", said) and find(self._source, marker(said), 0) >= 0:
            return said
        met = _BOUNDARY.search(self._source.read_at(LONGEST_LINE, 0))
        return met.group(1).decode() if met else None

    def _read_ending(self) -> list[Described] | None:
        """What the last line says of all parts."""
        size = self._source.size
        window = min(size, BLOCK)
        while True:
            data = self._source.read_at(window, size - window)
            at = data.rfind(b"\n" + self._marker)
            if at >= 0:
                said, sound = _line_of(data[at + 1 + len(self._marker) :].rstrip(b"\n"))
                described = [_described(one) for one in said["end"]] if sound and _is_list(said.get("end")) else None
                return None if described is None or None in described else [one for one in described if one]
            if window in (size, LONGEST_END):
                return None
            window = min(size, window * 4, LONGEST_END)

    def _found(self, at: int) -> Iterator[Entry]:
        number = unmarked = 0
        while 0 <= at < self._source.size and number < MOST_PARTS and unmarked < MOST_DAMAGED:
            line = line_at(self._source, at, LONGEST_LINE)
            if self._is_ending(at):
                return
            marked = line is not None and line.startswith(self._marker)
            unmarked += not marked
            said, sound = _line_of(line[len(self._marker) :]) if line is not None and marked else ({}, False)
            described = _described(said) if sound else self._listed(number) or _described(said)
            if described is None or line is None:
                self.problems.append(f"Part {number + 1} cannot be read: the line that says what it is is damaged.")
                unmarked += 1
                at = find(self._source, b"\n" + self._marker, at) + 1 or -1
            else:
                entry, at = self._bounded(described, at + len(line) + 1)
                yield entry
            number += 1

    def _bounded(self, described: Described, start: int) -> tuple[Entry, int]:
        """The part that begins at ``start``, and where the next one's line begins (-1: nowhere)."""
        head, stored = b"\n" + self._marker, described.stored
        entry = Entry(described, start, stored)
        if self._source.read_at(len(head), start + stored) == head:
            return entry, start + stored + 1
        following = find(self._source, head, max(start - 1, 0))
        stop = following if following >= 0 else self._source.size
        if stop >= start + stored and self._is_whole(entry):
            # Only what follows it is damaged or cut off: the line of the next part, beyond recognition.
            return entry, start + stored + 1
        return Entry(described, start, max(stop - start, 0), shifted=True), following + 1 if following >= 0 else -1

    def _is_whole(self, entry: Entry) -> bool:
        digest = hashlib.sha256()
        for block in self._decoded(entry):
            digest.update(block or b"")
        return digest.hexdigest() == entry.described.sha256

    def _listed(self, number: int) -> Described | None:
        return self._ending[number] if self._ending is not None and number < len(self._ending) else None

    def _is_ending(self, at: int) -> bool:
        return b' {"end":' in self._source.read_at(len(self._marker) + 8, at)

    def _decoded(self, entry: Entry) -> Iterator[bytes | None]:
        """The part's bytes in blocks; None for each line that cannot be decoded."""
        if entry.described.encoding == PLAIN:
            yield from self._blocks(entry.start, entry.extent)
            return
        carry = b""
        for block in self._blocks(entry.start, entry.extent):
            lines = (carry + block).split(b"\n")
            carry = lines.pop()[-LONGEST_LINE:]
            decoded = [_from_base64(line) for line in lines]
            yield b"".join(one for one in decoded if one is not None)
            yield from (None for one in decoded if one is None)
        if carry:
            yield _from_base64(carry)

    def _blocks(self, start: int, size: int) -> Iterator[bytes]:
        offset = 0
        while offset < size:
            block = self._source.read_at(min(BLOCK, size - offset), start + offset)
            if not block:
                return
            offset += len(block)
            yield block


def _from_base64(line: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error:
        return None


def _line_of(data: bytes) -> tuple[dict[str, Any], bool]:
    """What a line says, and whether its checksum fits."""
    parsed = parse_object(data)
    return (parsed[0], not parsed[1]) if parsed is not None else ({}, False)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _described(value: object) -> Described | None:
    if not isinstance(value, dict):
        return None
    name, size, sha256 = value.get("name"), value.get("bytes"), value.get("sha256")
    encoding = value.get("encoding", PLAIN)
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or encoding not in (PLAIN, BASE64):
        return None
    return Described(name, size, sha256, encoding)
