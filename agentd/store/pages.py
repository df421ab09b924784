"""Pages and the conversation, read from a transcript's end: whole turns, newest first, until enough.

Blocking: called in a worker, over a ``Reader``'s snapshot.
"""

from contextlib import closing
from dataclasses import dataclass

from agentd.core.fold import NewestFirst, cut_body, ended_unless, fit, fold_turns, is_open, through_of
from agentd.core.records import ITEM_KINDS, Record
from agentd.protocol import Item, Turn
from agentd.store.api import Conversation, Page
from agentd.store.reader import Found, Place, Reader
from agentd.store.seek import after_turn, marked_since

SYSTEM_BYTES = 1 << 18
MARK_BYTES = 1 << 20
_SMALL = 2048
_PROMPTS = frozenset({"prompt"})


@dataclass(frozen=True, slots=True)
class Hint:
    """Where the turns older than a page's begin, and what hides them."""

    place: Place
    seen: NewestFirst


class Gathered:
    """Turns' records as they come in, newest first, within a budget. The first turn is always taken, cut to fit."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._groups: dict[int, list[Record]] = {}
        self._size = 0
        self._left_out = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Newest first."""
        return tuple(self._groups)

    @property
    def full(self) -> bool:
        return bool(self._groups) and self._size >= self._max

    def holds(self, turn: int) -> bool:
        return turn in self._groups

    def add(self, found: Found) -> bool:
        """Take a record. False: its turn does not fit beside the ones before, and has been put back."""
        record = found.record
        self._groups.setdefault(record.turn, []).append(record)
        self._size += found.size
        if self._size <= self._max:
            return True
        if len(self._groups) > 1:
            del self._groups[record.turn]
            return False
        self._shrink(record)
        return True

    def _shrink(self, record: Record) -> None:
        """The only turn is larger than a page: what comes now is held cut, and beyond that counted."""
        group = self._groups[record.turn]
        if record.kind not in ("turn", "prompt") and len(group) * 256 > self._max:
            group.pop()
            self._left_out += 1
        elif record.kind != "prompt" and not (record.kind == "tool" and "output" not in record.body):
            # Prompts may be sent again and calls may be recorded again: those stay whole until they are shown.
            group[-1] = Record(record.seq, record.turn, record.time, record.kind, cut_body(record.body, _SMALL))

    def records(self, turn: int) -> list[Record]:
        """Of one turn, oldest first."""
        return self._groups.get(turn, [])[::-1]

    def turns(self, live: int | None, *, whole: frozenset[str] = frozenset()) -> tuple[Turn, ...]:
        """The turns, oldest first."""
        made: list[Turn] = []
        for group in reversed(self._groups.values()):
            made.extend(ended_unless(turn, live) for turn in fold_turns(reversed(group)))
        if len(made) == 1 and self._size > self._max:
            made = [fit(self._noted(made[0]), self._max, whole=whole)]
        return tuple(made)

    def _noted(self, turn: Turn) -> Turn:
        if not self._left_out:
            return turn
        text = f"{self._left_out} items of this turn are left out here."
        note = Item(id=f"{turn.number}.0", kind="notice", text=text)
        return turn.model_copy(update={"items": (*turn.items[:1], note, *turn.items[1:])})


def read_page(
    reader: Reader, before: int | None, hint: Hint | None, limit: int, max_bytes: int, live: int | None
) -> tuple[Page, Hint | None]:
    """The newest turns older than turn ``before``, and where the next older page begins."""
    if before is not None and hint is None:
        nearer = _nearer(reader, before)
        hint = _place_of(reader, before, nearer)
        if hint is None and nearer is not None:
            hint = _place_of(reader, before, None)
        if hint is None:
            return _page(reader, None, before, limit, max_bytes, live)
    return _page(reader, hint, None, limit, max_bytes, live)


def _nearer(reader: Reader, turn: int) -> Place | None:
    """Where to look for a turn from, if nothing that is newer hides anything; None: at the end."""
    start = after_turn(reader, turn)
    return None if start is None or marked_since(reader, start) else start


def _place_of(reader: Reader, turn: int, start: Place | None) -> Hint | None:
    """Where the records older than turn ``turn`` begin; None if it has none on record before ``start``."""
    seen, reached = NewestFirst(), False
    with closing(reader.lines(start)) as met:
        for line in met:
            head = line.head
            if line.void:
                continue
            if head is not None and not reached and head.kind != "mark" and head.turn != turn:
                # Passing over a turn ends what a rewind undoes: its head says enough for that.
                seen.counts(head.kind, head.turn, {})
                continue
            for found in line.read():
                record = found.record
                # A mark may stand within a turn: a summary's does.
                if reached and record.turn > 0 and record.turn != turn:
                    return Hint(found.place, seen)
                if seen.counts(record.kind, record.turn, record.body) and record.turn == turn:
                    reached = True
    return Hint(Place(-1, 0), seen) if reached else None


def _page(
    reader: Reader, hint: Hint | None, below: int | None, limit: int, max_bytes: int, live: int | None
) -> tuple[Page, Hint | None]:
    seen = hint.seen.copy() if hint else NewestFirst()
    gathered = Gathered(max_bytes)
    opened = Hint(Place(-1, 0), seen)
    number = 0
    with closing(reader.newest_first(hint.place if hint else None)) as records:
        for found in records:
            record = found.record
            if not seen.counts(record.kind, record.turn, record.body) or not _of_turn(record):
                continue
            if below is not None and record.turn >= below:
                continue
            if not gathered.holds(record.turn):
                opened = Hint(found.place, seen.copy())
                if len(gathered.numbers) >= limit or gathered.full:
                    number = record.turn
                    break
            if not gathered.add(found):
                number = record.turn
                break
    if not number:
        return Page(gathered.turns(live), None), None
    turns = gathered.turns(live)
    return Page(turns, gathered.numbers[-1] if gathered.numbers else number + 1), opened


def read_conversation(reader: Reader, max_bytes: int, live: int | None) -> Conversation:
    """The newest part of what counts, back to the mark that stands in for the rest, or as far as it fits."""
    marks = _Marks()
    gathered = Gathered(max_bytes)
    retried: set[int] = set()
    stopped: Place | None = None
    with closing(reader.newest_first()) as records:
        for found in records:
            record = found.record
            if not marks.seen.counts(record.kind, record.turn, record.body):
                continue
            if not _of_turn(record):
                marks.add(record)
                continue
            if record.turn <= marks.floor:
                if record.kind == "turn" and is_open(record.body):
                    stopped = found.place
                    break
                continue
            if record.kind == "turn" and isinstance(again := record.body.get("retryOf"), int):
                retried.add(again)
            if record.turn in retried:
                continue
            if (not gathered.holds(record.turn) and gathered.full) or not gathered.add(found):
                stopped = found.place
                break
    _older(reader, marks, stopped)
    # Prompts are whole: what of them a model can take is for whoever asks it.
    turns = [turn for turn in gathered.turns(live, whole=_PROMPTS) if turn.number > marks.floor]
    return Conversation(tuple(turns), tuple(marks.system[seq] for seq in sorted(marks.system)), marks.summary)


class _Marks:
    """What marks and system records, met newest first, make of the conversation."""

    def __init__(self) -> None:
        self.seen = NewestFirst()
        self.floor = 0
        self.system: dict[int, str] = {}
        self.summary: str | None = None
        self.keeps_system = True
        self._compacted = False

    def add(self, record: Record) -> None:
        if record.kind == "system":
            text = record.body.get("text")
            if self.keeps_system and isinstance(text, str):
                self.system[record.seq] = text
        elif record.kind == "mark" and record.body.get("mark") in ("clear", "compact"):
            through = through_of(record.body)
            if record.body["mark"] == "clear":
                self.keeps_system = self.keeps_system and record.body.get("keepSystem") is not False
            elif not self._compacted:
                self._compacted = True
                summary = record.body.get("summary")
                # A later clear that reaches as far as the summary does has cleared the summary too.
                self.summary = summary if isinstance(summary, str) and through > self.floor else None
            self.floor = max(self.floor, through)


def _older(reader: Reader, marks: _Marks, stopped: Place | None) -> None:
    """Marks and system texts that are older than what was read; those at the very beginning come first in any file."""
    if stopped is None:
        return
    with closing(reader.lines(stopped)) as met:
        for line in met:
            if line.place.segment != stopped.segment or stopped.offset - line.start > MARK_BYTES:
                break
            head = line.head
            if line.void or (head is not None and head.kind not in ("mark", "system", "turn")):
                continue
            for found in line.read():
                record = found.record
                if marks.seen.counts(record.kind, record.turn, record.body) and not _of_turn(record):
                    marks.add(record)
    if marks.keeps_system:
        for found in reader.oldest_first(SYSTEM_BYTES):
            if found.record.kind != "system":
                break
            text = found.record.body.get("text")
            if isinstance(text, str):
                marks.system[found.record.seq] = text


def _of_turn(record: Record) -> bool:
    return record.turn > 0 and (record.kind == "turn" or record.kind in ITEM_KINDS)
