"""What a session directory holds when it is opened, its torn tail put aside. Blocking: call from a worker."""

from collections.abc import Mapping, Set
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentd.core.fold import Streamed, TurnFold, ending_of, is_open
from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.errors import StoreFailed
from agentd.store import lines
from agentd.store.backward import start_of_line
from agentd.store.files import Files, loading, words
from agentd.store.journal import read_journal
from agentd.store.metadata_file import DAMAGED, NAME, list_segments, read_metadata, write_metadata
from agentd.store.pages import Gathered
from agentd.store.queue import QueueRead, read_queue
from agentd.store.reader import Found, Problems, Reader
from agentd.store.transcript import Segment

LAST_BYTES = 1 << 17
LONGEST = 4 << 20
_LOOK_BACK = 1 << 15
_LOOK_FAR = 16 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """``owed`` is what ends the turns that were cut off; ``journal`` says whether there is one to clear."""

    metadata: Metadata
    newer: bool
    segments: tuple[Segment, ...]
    sound: bool
    last_seq: int
    last_turn: int
    last: TurnFold | None
    owed: tuple[Draft, ...]
    journal: bool
    queue: QueueRead
    problems: tuple[str, ...]
    found: Problems


def load(files: Files, directory: Path, *, newer: bool = False) -> Loaded:
    """Everything but the turns before the last one. ``newer``: nothing may be mended. Raises LoadFailed."""
    with loading():
        read = read_metadata(files, directory)
        problems = Problems()
        notes = list(read.problems)
        segments, sound = _segments(files, directory, notes, mend=not (newer or read.newer))
        journal, written = read_journal(files, directory)
        queue = read_queue(files, directory)
        tail = _tail(Reader(files, segments, problems, LONGEST), journal.keys())
    folds = tail.folds()
    newer = newer or read.newer or tail.newer
    if not read.whole and not newer:
        _mend_metadata(files, directory, read.metadata, notes)
    return Loaded(
        metadata=read.metadata,
        newer=newer,
        segments=segments,
        sound=sound,
        last_seq=tail.seq + tail.damaged,
        last_turn=max(tail.turn, queue.last, *journal, 0),
        last=folds.get(tail.last),
        owed=tuple(_owed(folds, tail.last, journal, lines.stamp(written) if written else lines.now())),
        journal=written is not None,
        queue=queue,
        problems=(*notes, *queue.problems),
        found=problems,
    )


def _mend_metadata(files: Files, directory: Path, metadata: Metadata, notes: list[str]) -> None:
    """Best effort: a session whose metadata cannot be written can be read all the same."""
    try:
        with suppress(FileNotFoundError):
            files.rename(directory / NAME, directory / DAMAGED)
        write_metadata(files, directory, [metadata])
    except (OSError, StoreFailed) as error:
        notes.append(f"{NAME} could not be mended: {words(error) if isinstance(error, OSError) else error.message}")


def _segments(files: Files, directory: Path, notes: list[str], *, mend: bool) -> tuple[tuple[Segment, ...], bool]:
    """The segments with what each says of the ones before, and whether the newest one may be appended to."""
    listed = list_segments(files, directory)
    segments: list[Segment] = []
    sound = True
    for segment in listed:
        fd = files.open_read(segment.path)
        try:
            after = _after(files, fd, segment)
            start = segment.end
            if segment.end and files.read_at(fd, 1, segment.end - 1) != b"\n":
                start = start_of_line(files, fd, segment.end)
            torn = files.read_at(fd, segment.end - start, start)
        finally:
            files.close(fd)
        segment = replace(segment, after=after)
        if torn:
            kept = lines.whole_part(torn)
            segment = replace(segment, end=start + kept)
            if segment.number == listed[-1].number:
                mended = _put_aside(files, segment, torn, kept, notes) if mend else None
                sound = mended is not None
                segment = mended or segment
        if segment.number and not segment.end and segment.number == listed[-1].number:
            # Of a batch that failed; its name may not be durable. Never written again, here neither.
            sound = False
        segments.append(segment)
    return tuple(segments), sound


def _after(files: Files, fd: int, segment: Segment) -> int | None:
    if segment.number == 0:
        return None
    first = lines.parse(files.read_at(fd, 4096, 0).partition(b"\n")[0])
    after = first.body.get("after") if first is not None and first.kind == "segment" else None
    return after if isinstance(after, int) else None


def _put_aside(files: Files, segment: Segment, torn: bytes, kept: int, notes: list[str]) -> Segment | None:
    """The segment ending in a whole line again, what was torn kept in a file beside it; None if that can't be done."""
    side = segment.path.with_name(f"transcript.torn-{segment.number}-{segment.end}")
    try:
        if kept < len(torn):
            notes.append(
                f"{segment.path.name} ended in {len(torn) - kept} bytes that are no whole record. "
                f"They were moved to {side.name}; all before them is used."
            )
            files.replace(side, torn[kept:])
            files.truncate(segment.path, segment.end)
        if kept:
            fd = files.append_to(segment.path)
            try:
                files.write(fd, b"\n")
                files.sync(fd)
            finally:
                files.close(fd)
    except OSError as error:
        notes.append(f"{segment.path.name}: its torn end could not be put aside: {words(error)}")
        return None
    return replace(segment, end=segment.end + (1 if kept else 0))


@dataclass(slots=True)
class _Tail:
    """``seq`` and ``turn``: the highest numbers met; ``last``: the newest turn; ``newer``: not all lines are ours."""

    seq: int = 0
    turn: int = 0
    last: int = 0
    newer: bool = False
    damaged: int = 0
    gathered: dict[int, Gathered] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def note(self, seq: int, turn: int) -> None:
        self.seq, self.turn = max(self.seq, seq), max(self.turn, turn)

    def take(self, found: Found, journalled: Set[int]) -> None:
        record = found.record
        self.note(record.seq, record.turn)
        if record.turn <= 0:
            return
        if record.kind == "turn" and self.last and record.turn != self.last:
            self.begun.add(self.last)
        self.last = self.last or record.turn
        if record.turn == self.last or record.turn in journalled:
            self.gathered.setdefault(record.turn, Gathered(LAST_BYTES)).add(found)
            if record.kind == "turn" and is_open(record.body):
                self.begun.add(record.turn)

    def folds(self) -> dict[int, TurnFold]:
        made = {}
        for number, gathered in self.gathered.items():
            fold = made[number] = TurnFold(number)
            for record in gathered.records(number):
                fold.add(record.kind, record.body, record.time, record.seq)
        return made


def _tail(reader: Reader, journalled: Set[int]) -> _Tail:
    """The end of the transcript: its last turn, and the turns that the journal speaks of."""
    tail = _Tail()
    passed = 0
    with closing(reader.lines()) as met:
        for line in met:
            head = line.head
            if head is not None:
                tail.note(head.seq, head.turn)
                # One bad byte makes no newer version: its line's checksum must fit.
                if head.version > lines.VERSION and any(not one.record.flagged for one in line.read()):
                    tail.newer = True
            ours = head is None or tail.last in (0, head.turn) or head.kind == "turn" or head.turn in journalled
            if not line.void and ours:
                found = line.read()
                tail.damaged += not found
                for one in found:
                    tail.take(one, journalled)
            passed += line.length + 1
            if passed >= _LOOK_BACK and tail.last in tail.begun and (journalled <= tail.begun or passed >= _LOOK_FAR):
                break
    return tail


def _owed(folds: Mapping[int, TurnFold], last: int, journal: Mapping[int, list[Streamed]], written: str) -> list[Draft]:
    """What ends the turns that were cut off, oldest first."""
    drafts: list[Draft] = []
    for number in sorted({*journal, last} - {0}):
        fold = folds.get(number) or TurnFold(number)
        if not fold.ended:
            turn = fold.turn()
            begun = turn if turn.started else turn.model_copy(update={"started": written})
            drafts += ending_of(begun, journal.get(number, ()), written)
    return drafts
