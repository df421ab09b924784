"""The writing side of a transcript: batches of records, each durable before it is acknowledged.

A write or sync that failed is never tried again on the same file: what the disk then holds of it is unknown. The
file is cut back to its acknowledged end, if the disk still does that much: nothing that was refused comes back, should
we end here. The next batch begins a new segment, whose first record says which record was the last acknowledged one
before it; what an earlier segment holds beyond that is void and no reader shows it. Runs in worker threads, one batch
at a time.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from agentd.core.records import Draft
from agentd.store import lines
from agentd.store.files import Files, saving

FIRST = "transcript.jsonl"
_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a transcript: its acknowledged bytes end at ``end``.

    ``after``, of a further segment: records of earlier ones with a higher seq are void.
    """

    path: Path
    number: int
    end: int
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Records that one caller wants written together."""

    drafts: tuple[Draft, ...]
    time: str
    fragments: tuple[bytes, ...]

    @classmethod
    def of(cls, drafts: Sequence[Draft]) -> "Entry":
        """Stamped with the present time. Raises TypeError or ValueError for a body that JSON cannot hold."""
        time = lines.now()
        return cls(tuple(drafts), time, tuple(lines.fragment(draft, time) for draft in drafts))

    def lines_from(self, seq: int) -> list[bytes]:
        """Its lines; the first one's seq is the one after ``seq``."""
        return [lines.record_line(number, rest) for number, rest in enumerate(self.fragments, seq + 1)]


def segment_name(number: int) -> str:
    return FIRST if number == 0 else f"transcript.{number}.jsonl"


def segment_number(name: str) -> int | None:
    """The number in a segment's file name; None for any other file."""
    if name == FIRST:
        return 0
    number = name.removeprefix("transcript.").removesuffix(".jsonl")
    return int(number) if number.isdecimal() and name == segment_name(int(number)) else None


def _inode(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_ino, stat.st_dev


class Transcript:
    """``segments`` is what readers may see: replaced whole, after each durable batch.

    ``acknowledged`` is the seq of the last acknowledged record, ``last_seq`` the highest that was ever given.
    ``sound``: the newest segment may be appended to.
    """

    def __init__(
        self,
        files: Files,
        directory: Path,
        segments: tuple[Segment, ...],
        last_seq: int,
        acknowledged: int,
        *,
        sound: bool,
    ) -> None:
        self._files = files
        self._directory = directory
        self.segments = segments
        self._seq = last_seq
        self._acknowledged = acknowledged
        self._sound = sound and bool(segments)
        self._number = max((segment.number for segment in segments), default=-1)
        self._fd: int | None = None
        self._inode = (0, 0)

    @property
    def last_seq(self) -> int:
        """The highest seq that was ever given."""
        return self._seq

    def write(self, entries: Sequence[Entry]) -> None:
        """All records of these entries in order, durable on return. StoreFailed: none of them counts."""
        with saving():
            if self._sound and self._fits():
                self._append(entries)
            else:
                self._begin_segment(entries)

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._files.close(fd)

    def _fits(self) -> bool:
        """Whether the newest segment is still the file that was left: people edit and restore files by hand."""
        last = self.segments[-1]
        try:
            if self._fd is None:
                self._fd = self._files.append_to(last.path)
                self._inode = _inode(self._files.stat_open(self._fd))
            there: os.stat_result | None = self._files.stat(last.path)
        except FileNotFoundError:
            there = None
        if there is not None and there.st_size == last.end and _inode(there) == self._inode:
            return True
        self._let_go()
        self.segments = (*self.segments[:-1], replace(last, end=there.st_size if there else 0))
        return False

    def _let_go(self) -> None:
        self._sound = False
        try:
            self.close()
        except OSError:
            # Closing can report the very failure that made us let go.
            return

    def _lines(self, entries: Sequence[Entry], seq: int) -> tuple[list[bytes], int]:
        made = []
        for entry in entries:
            made += entry.lines_from(seq)
            seq += len(entry.fragments)
        return made, seq

    def _append(self, entries: Sequence[Entry]) -> None:
        assert self._fd is not None
        made, seq = self._lines(entries, self._seq)
        self._seq = seq
        data = b"".join(made)
        last = self.segments[-1]
        try:
            self._files.write(self._fd, data)
            self._files.sync(self._fd)
        except BaseException:
            self._files.cut_back(self._fd, last.end)
            self._let_go()
            raise
        self._acknowledged = seq
        self.segments = (*self.segments[:-1], replace(last, end=last.end + len(data)))

    def _begin_segment(self, entries: Sequence[Entry]) -> None:
        after = self._acknowledged if self.segments else None
        opening: list[bytes] = []
        seq = self._seq
        if after is not None:
            seq += 1
            opening = [lines.record_line(seq, lines.fragment(Draft(0, "segment", {"after": after}), lines.now()))]
        made, seq = self._lines(entries, seq)
        self._seq = seq
        data = b"".join(opening + made)
        path, self._fd = self._new_file()
        try:
            self._inode = _inode(self._files.stat_open(self._fd))
            self._files.write(self._fd, data)
            self._files.sync(self._fd)
            self._files.sync_directory(self._directory)
        except BaseException:
            # Its name may stay: emptied, it says nothing all the same.
            self._files.cut_back(self._fd, 0)
            self._let_go()
            self._discard(path)
            raise
        self._acknowledged = seq
        self.segments = (*self.segments, Segment(path, self._number, len(data), after))
        self._sound = True

    def _new_file(self) -> tuple[Path, int]:
        """The next segment's. A name that somebody took since we looked is passed over."""
        for _ in range(_NAMES):
            self._number += 1
            path = self._directory / segment_name(self._number)
            with suppress(FileExistsError):
                return path, self._files.create(path)
        raise FileExistsError(errno.EEXIST, "The names of all further segments are taken")

    def _discard(self, path: Path) -> None:
        """A new segment that failed holds nothing acknowledged: without this, a full disk fills with their names."""
        try:
            self._files.unlink(path)
        except OSError:
            return
