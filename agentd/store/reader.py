"""Records of a transcript, newest first, over all of its segments: void ones left out, damaged lines set aside.

Reads a snapshot: what is appended meanwhile is not seen. Blocking: call from a worker.
"""

import errno
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from agentd.core.records import Record
from agentd.store import lines
from agentd.store.backward import Line, lines_backward, squeezed
from agentd.store.files import Files, words
from agentd.store.lines import Head
from agentd.store.transcript import Segment


class Place(NamedTuple):
    """Just after a record: reading from here begins with that record."""

    segment: int
    offset: int


class Found(NamedTuple):
    """A record, the place just after it, where its line begins, and about how many bytes it is."""

    record: Record
    place: Place
    start: int
    size: int


@dataclass(slots=True)
class Problems:
    """Damage in words for people, each place once, no end of them."""

    texts: list[str] = field(default_factory=list)
    _places: set[tuple[str, int]] = field(default_factory=set)
    limit: int = 100

    def is_new(self, name: str, offset: int) -> bool:
        return (name, offset) not in self._places and len(self._places) < self.limit

    def add(self, name: str, offset: int, text: str) -> None:
        self._places.add((name, offset))
        self.texts.append(text)


class Met(NamedTuple):
    """A line, not parsed yet. ``head`` is None when it does not begin as ours do. ``void``: never acknowledged."""

    head: Head | None
    place: Place
    start: int
    length: int
    void: bool
    read: Callable[[], tuple[Found, ...]]


class Reader:
    """``longest``: lines of more bytes than this come with their strings cut to half of it."""

    def __init__(self, files: Files, segments: Sequence[Segment], problems: Problems, longest: int) -> None:
        self.files = files
        self.segments = segments
        self._problems = problems
        self._longest = max(longest, 4096)

    def newest_first(self, start: Place | None = None) -> Generator[Found, None, None]:
        """Records from ``start`` (none: the end) back to the first. Close it when you stop early. Raises OSError."""
        for segment, end, void_after in self._stretches(start):
            with closing(self._segment(segment, end)) as met:
                for fd, line in met:
                    if void_after is None or not _is_void(self._head(fd, line), void_after):
                        yield from self._records(segment, fd, line, void_after)

    def lines(self, start: Place | None = None) -> Generator[Met, None, None]:
        """The same, unparsed and with the void ones: who only looks at heads pays for heads."""
        for segment, end, void_after in self._stretches(start):
            with closing(self._segment(segment, end)) as met:
                for fd, line in met:
                    head = self._head(fd, line)
                    void = void_after is not None and _is_void(head, void_after)
                    read = partial(self._records, segment, fd, line, void_after)
                    yield Met(head, Place(segment.number, line.end + 1), line.start, line.end - line.start, void, read)

    def _stretches(self, start: Place | None) -> Iterator[tuple[Segment, int, int | None]]:
        """Segments, newest first, where to begin in each, and the seq above which its records are void."""
        void_after: int | None = None
        for segment in reversed(self.segments):
            if start is None or segment.number <= start.segment:
                at_start = start is not None and segment.number == start.segment
                end = min(segment.end, start.offset) if start is not None and at_start else segment.end
                yield segment, end, void_after
            void_after = _lower(void_after, segment.after)

    def oldest_first(self, most: int) -> Generator[Found, None, None]:
        """Records from the beginning of the first segment, in its first ``most`` bytes at most."""
        if not self.segments:
            return
        segment = self.segments[0]
        void_after: int | None = None
        for later in self.segments[1:]:
            void_after = _lower(void_after, later.after)
        fd = self.files.open_read(segment.path)
        try:
            data = self.files.read_at(fd, min(most, segment.end), 0)
        finally:
            self.files.close(fd)
        offset = 0
        while (newline := data.find(b"\n", offset)) >= 0:
            record = lines.parse(data[offset:newline])
            if record is not None and (void_after is None or record.seq <= void_after):
                yield Found(record, Place(segment.number, newline + 1), offset, newline - offset)
            offset = newline + 1

    def _segment(self, segment: Segment, end: int) -> Generator[tuple[int, Line], None, None]:
        """Its lines that are not empty, each with the descriptor that they are read by."""
        try:
            fd = self.files.open_read(segment.path)
        except OSError as error:
            if segment.end and error.errno not in (errno.ENOENT, errno.ELOOP, errno.EINVAL):
                raise
            # Removed, or something else in its place: what the other segments hold is read all the same.
            if segment.end and self._problems.is_new(segment.path.name, -1):
                self._problems.add(segment.path.name, -1, f"{segment.path.name}: {words(error)}. All else is used.")
            return
        try:
            with closing(lines_backward(self.files, fd, end, self._longest)) as found:
                for line in found:
                    if line.end > line.start:
                        yield fd, line
        finally:
            self.files.close(fd)

    def _head(self, fd: int, line: Line) -> Head | None:
        return lines.head(line.data if line.data is not None else self.files.read_at(fd, 256, line.start))

    def _records(self, segment: Segment, fd: int, line: Line, void_after: int | None) -> tuple[Found, ...]:
        """The records of a line, newest first: one, or what can be saved of a damaged one."""
        data = line.data if line.data is not None else squeezed(self.files, fd, line, self._longest // 2)
        record = lines.parse(data) if data is not None else None
        if record is not None and line.data is None:
            # The checksum is of the whole line, which nobody holds.
            record = replace(record, flagged=False)
        # A long line counts whole: it is for whoever reads a page to say what else fits beside it.
        place, size = Place(segment.number, line.end + 1), line.end - line.start
        if record is not None:
            if record.flagged:
                self._report(segment, fd, line, "the checksum does not fit. The record is used as it stands.")
            return (Found(record, place, line.start, size),) if void_after is None or record.seq <= void_after else ()
        self._report(segment, fd, line, "damaged, and left out. All else is used.")
        saved = lines.parse_damaged(data)[::-1] if data is not None else ()
        return tuple(
            Found(one, place, line.start, size) for one in saved if void_after is None or one.seq <= void_after
        )

    def _report(self, segment: Segment, fd: int, line: Line, what: str) -> None:
        """With the line's number; counting it costs a read of the file, so only damage is counted."""
        name = segment.path.name
        if not self._problems.is_new(name, line.start):
            return
        number, offset = 1, 0
        while offset < line.start and (data := self.files.read_at(fd, min(1 << 20, line.start - offset), offset)):
            number += data.count(b"\n")
            offset += len(data)
        self._problems.add(name, line.start, f"{name} line {number}: {what}")


def _is_void(head: Head | None, after: int) -> bool:
    return head is not None and head.seq > after


def _lower(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
