"""What a transcript says that is searched and summed: one document for each prompt, reply, tool call and notice, and
a sum for each turn. Read forward, from where it was read to before, in batches. Blocking: call from a worker.

Holds a batch at a time, and of one item no more than ``TEXT``: neither a session of 1 GB nor a line of 100 MB is held.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agentd.core.fold import MOST_TURNS, is_open, through_of
from agentd.core.records import Record
from agentd.core.words import indexed
from agentd.protocol.base import sound_text
from agentd.store import lines
from agentd.store.backward import Line, squeezed
from agentd.store.files import Files
from agentd.store.index.forward import lines_forward
from agentd.store.transcript import Segment

TEXT = 1 << 16
"""Characters of one item that are searched: its beginning."""
LONGEST = 1 << 20
"""Bytes of a line that is held whole; a longer one's strings are cut."""
_SHORT = 4096
BATCH_BYTES = 1 << 17
BATCH_DOCUMENTS = 64
SEARCHED = frozenset({"prompt", "text", "tool", "notice"})
_WANTED = SEARCHED | {"turn", "mark", "segment"}


class Start(NamedTuple):
    """Where to go on: what comes before is indexed, and no turn is open there. ``seq``: of the last record before."""

    segment: int
    offset: int
    seq: int


BEGINNING = Start(0, 0, 0)


class Document(NamedTuple):
    """A record that is searched, and where its line is."""

    turn: int
    kind: str
    segment: int
    offset: int
    length: int
    text: str


@dataclass(slots=True)
class TurnSum:
    """One turn, counted. ``speaker`` is who spoke last: stretches of a reply count once, as in lists."""

    turn: int
    day: str = ""
    model: str = ""
    users: int = 0
    assistants: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)
    tools: dict[str, bool] = field(default_factory=dict)
    prompts: set[str] = field(default_factory=set)
    speaker: str = ""
    again: bool = False
    compacts: bool = False

    def add(self, record: Record) -> None:
        body, kind = record.body, record.kind
        started = body.get("started") if kind == "turn" else None
        self.day = sound_text(started[:10]) if isinstance(started, str) else self.day or sound_text(record.time[:10])
        item = str(body.get("id") or record.seq)
        if kind == "turn":
            self.model = _string(body.get("model")) or self.model
            self.again = self.again or body.get("retryOf") is not None
            self.compacts = self.compacts or body.get("compacted") is not None
            usage = body.get("usage")
            self.usage = usage if isinstance(usage, dict) else self.usage
        elif kind == "prompt":
            self.users += item not in self.prompts
            self.prompts.add(item)
            self.speaker = "user"
        elif kind in ("text", "tool"):
            self.assistants += self.speaker != "model"
            self.speaker = "model"
            if kind == "tool":
                ended = body.get("status") in ("completed", "failed", "denied") or body.get("output") is not None
                self.tools[item] = self.tools.get(item, False) or ended

    def row(self, number: int) -> tuple[Any, ...]:
        """As the index keeps it."""
        tokens = [_count(self.usage.get(name)) for name in _TOKENS]
        cost = _money(self.usage.get("cost"))
        users = max(self.users - self.again, 0)
        calls, results = len(self.tools), sum(self.tools.values())
        # A summary is no message of the conversation.
        assistants = 0 if self.compacts else self.assistants
        return (number, self.turn, self.day, self.model, users, assistants, calls, results, *tokens, cost)


_MOST = MOST_TURNS
_TOKENS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


def _money(value: object) -> float | None:
    sound = isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST
    return float(value) if sound and isinstance(value, int | float) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < _MOST else 0


@dataclass(slots=True)
class Batch:
    """``start``: where to go on from, if all before this batch and ``settled`` of its documents are kept.

    ``hidden``: turns after this one were taken back by a rewind that is in this batch, at its beginning.
    """

    documents: list[Document] = field(default_factory=list)
    turns: list[TurnSum] = field(default_factory=list)
    start: Start = BEGINNING
    settled: int = 0
    hidden: int | None = None
    ends: bool = False


class Scan:
    """One pass over what is new in a transcript. ``segments`` are its files, each with its durable end."""

    def __init__(self, files: Files, segments: Sequence[Segment], start: Start) -> None:
        self._files = files
        self._segments = segments
        self._start = start
        self._batch = Batch(start=start)
        self._items: dict[tuple[int, str], int] = {}
        self._sums: dict[int, TurnSum] = {}
        self._open: int | None = None
        self._bytes = 0

    def batches(self) -> Iterator[Batch]:
        """At least one; the last one ``ends``. Raises OSError."""
        for segment, offset, length, record in self.records():
            if record.kind == "mark" and record.body.get("mark") == "rewind" and self._batch.documents:
                yield self._turned()
            self._take(segment, offset, length, record)
            if len(self._batch.documents) >= BATCH_DOCUMENTS or self._bytes >= BATCH_BYTES:
                yield self._turned()
        last = self._turned()
        last.ends = True
        yield last

    def _turned(self) -> Batch:
        done = self._batch
        if self._open is not None and self._open in self._sums:
            # As far as it goes: its row is replaced when there is more.
            done.turns.append(self._sums[self._open])
        self._batch = Batch(start=done.start)
        self._items.clear()
        self._bytes = 0
        return done

    def _take(self, segment: int, offset: int, length: int, record: Record) -> None:
        if not (record.turn < _MOST and 0 <= record.seq < _MOST):
            return
        if record.turn > 0 and record.kind != "mark":
            total = self._sums.setdefault(record.turn, TurnSum(record.turn))
            total.add(record)
            if record.kind == "turn" and not is_open(record.body):
                self._batch.turns.append(self._sums.pop(record.turn))
                self._open = None if self._open == record.turn else self._open
            elif self._open is None or record.kind == "turn":
                if self._open is not None and self._open != record.turn and self._open in self._sums:
                    # Cut off, and never ended on record.
                    self._batch.turns.append(self._sums.pop(self._open))
                self._open = record.turn
        if record.kind == "mark" and record.body.get("mark") == "rewind":
            self._batch.hidden = through_of(record.body)
        text = text_of(record)[:TEXT]
        if text:
            self._add(Document(document_turn(record), document_kind(record), segment, offset, length, text), record)
        if self._open is None:
            self._batch.start = Start(segment, offset + length + 1, record.seq)
            self._batch.settled = len(self._batch.documents)

    def _add(self, document: Document, record: Record) -> None:
        item = record.body.get("id")
        key = (record.turn, item) if isinstance(item, str) else (record.turn, f"#{record.seq}")
        document = document._replace(text=indexed(document.text))
        self._bytes += len(document.text)
        if key in self._items:
            # Of several records of an item the last one wins.
            self._batch.documents[self._items[key]] = document
        else:
            self._items[key] = len(self._batch.documents)
            self._batch.documents.append(document)

    def records(self) -> Iterator[tuple[int, int, int, Record]]:
        """Those that count, in order, each with its segment and its line's place and length. Raises OSError."""
        void_after: dict[int, int] = {}
        lowest: int | None = None
        for segment in reversed(self._segments):
            if lowest is not None:
                void_after[segment.number] = lowest
            if segment.after is not None:
                lowest = segment.after if lowest is None else min(lowest, segment.after)
        for segment in self._segments:
            begin = self._start.offset if segment.number == self._start.segment else 0
            if segment.number < self._start.segment or begin >= segment.end:
                continue
            limit = void_after.get(segment.number)
            fd = self._files.open_read(segment.path)
            try:
                with closing(lines_forward(self._files, fd, begin, segment.end, LONGEST)) as found:
                    for line in found:
                        record = read_line(self._files, fd, line)
                        if record is not None and (limit is None or record.seq <= limit):
                            yield segment.number, line.start, line.end - line.start, record
            finally:
                self._files.close(fd)


def read_line(files: Files, fd: int, line: Line) -> Record | None:
    """The record of a line; None for one that is of no interest here, or damaged."""
    data = line.data if line.data is not None else files.read_at(fd, 256, line.start)
    if len(data) > _SHORT or line.data is None:
        # To parse a short one costs no more than to look at its beginning.
        head = lines.head(data)
        if head is not None and head.kind not in _WANTED:
            return None
    if line.data is None:
        data = squeezed(files, fd, line, TEXT) or b""
    record = lines.parse(data)
    return record if record is not None and record.kind in _WANTED else None


def document_turn(record: Record) -> int:
    """The turn that a match in this record is shown at: a summary's is the last that it stands in for."""
    return min(through_of(record.body), _MOST) if record.kind == "mark" else max(record.turn, 0)


def document_kind(record: Record) -> str:
    return "notice" if record.kind == "mark" else record.kind


def text_of(record: Record) -> str:
    """What is searched of a record; the same when it is indexed and when it is shown."""
    body = record.body
    if record.kind == "mark":
        return _string(body.get("summary"))
    if record.turn <= 0 or record.kind not in SEARCHED:
        return ""
    if record.kind == "tool":
        given = list(_strings(body.get("input"), 8))
        return "\n".join(part for part in (_string(body.get("name")), *given, _string(body.get("output"))) if part)
    return _string(body.get("text"))


def _string(value: object) -> str:
    return sound_text(value) if isinstance(value, str) else ""


def _strings(value: object, deepest: int) -> Iterator[str]:
    if isinstance(value, str):
        yield sound_text(value)
    elif isinstance(value, bool | int | float):
        yield str(value)
    elif deepest and isinstance(value, dict):
        for one in value.values():
            yield from _strings(one, deepest - 1)
    elif deepest and isinstance(value, list):
        for one in value:
            yield from _strings(one, deepest - 1)
