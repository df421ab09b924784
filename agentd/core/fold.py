"""Folding records into turns, and a cut-off turn into what ends it. Pure: values in, values out, no I/O.

The store reads newest first (a page costs a page), so what hides earlier records (rewind marks) is decided here in
that direction too: ``NewestFirst``. A record that makes no sense costs itself, never its turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agentd.core.records import ITEM_KINDS, Draft, Record, item_draft, turn_draft
from agentd.protocol import Item, Problem, Turn

OPEN_STATUSES = frozenset({"queued", "running", "waiting"})
STOPPED = "The daemon stopped while this turn was running. All that had arrived was kept."
_NEVER_CUT = frozenset({"id", "kind", "name", "callId", "status", "signature", "data", "uri"})
_SMALLEST_CUT = 64
MOST_TURNS = 1 << 40
"""A number of a turn beyond this is nobody's: a hand that edited made it."""


def is_open(body: Mapping[str, Any]) -> bool:
    """Whether a turn record's body is of a turn that has not ended."""
    status = body.get("status")
    return isinstance(status, str) and status in OPEN_STATUSES


class TurnFold:
    """One turn, built from its records in the order of the transcript."""

    __slots__ = ("_header", "_items", "_started", "ended", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.ended = False
        self._header: dict[str, Any] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._started = ""

    def add(self, kind: str, body: Mapping[str, Any], time: str, seq: int = 0) -> None:
        """The next record. Of several items with one id the last wins, in the place of the first."""
        self._started = self._started or time
        if kind == "turn":
            self._header.update(body)
            self.ended = not is_open(self._header)
        elif kind in ITEM_KINDS:
            item_id = body.get("id")
            key = item_id if isinstance(item_id, str) else f"{self.number}.{seq}"
            self._items[key] = {**body, "id": key, "kind": kind}

    def turn(self) -> Turn:
        """The turn as far as it goes. One without a start or end record that can be read counts as interrupted."""
        found = [item for body in self._items.values() if (item := _item(body)) is not None]
        items = tuple(sorted(found, key=_item_order) if all(_numbered(item) for item in found) else found)
        least = {"status": "interrupted", "started": self._started}
        header = {**least, **self._header, "number": self.number}
        header.pop("items", None)
        try:
            return Turn.model_validate(header).model_copy(update={"items": items})
        except ValidationError as error:
            wrong = {place["loc"][0] for place in error.errors(include_url=False, include_input=False) if place["loc"]}
            sound = {key: value for key, value in header.items() if _alias(key) not in {_alias(w) for w in wrong}}
            try:
                bare = Turn.model_validate({**least, **sound})
            except ValidationError:
                bare = Turn.model_validate({**least, "number": self.number})
            return bare.model_copy(update={"items": items})


def fold_turns(records: Iterable[Record]) -> tuple[Turn, ...]:
    """The turns of these records (oldest first), in the order in which they began. Records of no turn are passed by."""
    folds: dict[int, TurnFold] = {}
    for record in records:
        if record.turn > 0 and (record.kind == "turn" or record.kind in ITEM_KINDS):
            fold = folds.get(record.turn)
            if fold is None:
                fold = folds[record.turn] = TurnFold(record.turn)
            fold.add(record.kind, record.body, record.time, record.seq)
    return tuple(fold.turn() for fold in folds.values())


def ended_unless(turn: Turn, live: int | None) -> Turn:
    """The turn, shown as interrupted if its end was never recorded and it is not the one that runs now."""
    if turn.status in OPEN_STATUSES and turn.number != live:
        return turn.model_copy(update={"status": "interrupted"})
    return turn


class NewestFirst:
    """Which records count, asked from the newest to the oldest.

    A rewind mark hides the turns after its ``through`` that were before it, and undoes the marks and system texts
    that were recorded between the end of turn ``through`` and itself.
    """

    __slots__ = ("_through", "_undoing")

    def __init__(self) -> None:
        self._through: int | None = None
        self._undoing = False

    def copy(self) -> "NewestFirst":
        other = NewestFirst()
        other._through, other._undoing = self._through, self._undoing
        return other

    def hides(self, turn: int) -> bool:
        """Whether a record of this turn, met now, is hidden by a newer rewind."""
        return self._through is not None and turn > self._through

    def counts(self, kind: str, turn: int, body: Mapping[str, Any]) -> bool:
        """Whether the next older record is part of the conversation. A rewind mark itself never is."""
        if turn > 0:
            if self.hides(turn):
                return False
            self._undoing = False
            return True
        if self._undoing:
            return False
        if kind == "mark" and body.get("mark") == "rewind":
            through = through_of(body)
            self._through = through if self._through is None else min(self._through, through)
            self._undoing = True
            return False
        return True


def through_of(body: Mapping[str, Any]) -> int:
    """A mark's last turn; 0 when it makes no sense."""
    through = body.get("through")
    return through if isinstance(through, int) and 0 < through < MOST_TURNS else 0


@dataclass(frozen=True, slots=True)
class Streamed:
    """An item of a cut-off turn as its journal has it. ``whole``: it had ended."""

    item: Item
    whole: bool


def ending_of(turn: Turn, streamed: Sequence[Streamed], ended: str) -> tuple[Draft, ...]:
    """What ends a turn that was cut off: its items that are not on record yet, then the end record.

    An item that is on record is written again only if it was a tool still at work. Tools that were at work when
    the daemon stopped become ``interrupted``. ``ended`` is when, RFC 3339 UTC.
    """
    on_record = {item.id: item for item in turn.items}
    drafts: list[Draft] = []
    for one in streamed:
        known = on_record.pop(one.item.id, None)
        if known is None or _at_work(known):
            item = _stopped(one.item)
            if item.text or item.kind not in ("text", "thinking"):
                drafts.append(item_draft(turn.number, item))
    drafts += [item_draft(turn.number, _stopped(item)) for item in on_record.values() if _at_work(item)]
    problem = Problem(kind="interrupted", message=STOPPED, retryable=True)
    end = turn.model_copy(update={"status": "interrupted", "ended": ended, "error": problem, "items": ()})
    return (*drafts, turn_draft(end))


def fit(turn: Turn, max_bytes: int, *, whole: frozenset[str] = frozenset()) -> Turn:
    """The turn with its long texts cut, each with a note, so that it is about ``max_bytes`` of JSON at most.

    Items of the kinds in ``whole`` are left alone. Thinking that had to be cut loses its signature, which no longer
    fits it.
    """
    bodies = [item.dump() for item in turn.items]
    cap = max_bytes
    while sum(min(_weight(body, cap), 1 << 62) for body in bodies) > max_bytes and cap > _SMALLEST_CUT:
        cap //= 2
    if cap == max_bytes:
        return turn
    items = [
        item if item.kind in whole else _cut_item(item, body, cap)
        for item, body in zip(turn.items, bodies, strict=True)
    ]
    return turn.model_copy(update={"items": tuple(items)})


def cut_body(body: Mapping[str, Any], cap: int) -> dict[str, Any]:
    """A record's body with every string cut to about ``cap`` characters, but for ids and seals."""
    return {key: value if key in _NEVER_CUT else _cut(value, cap) for key, value in body.items()}


def _cut_item(item: Item, body: dict[str, Any], cap: int) -> Item:
    cut = cut_body(body, cap)
    if cut == body:
        return item
    if item.kind == "thinking":
        cut.pop("signature", None)
    return _item(cut) or item


def _cut(value: Any, cap: int) -> Any:
    if isinstance(value, str) and len(value) > cap:
        tail = cap // 4
        note = f"\n[… {len(value) - cap} characters are left out here …]\n"
        return value[: cap - tail] + note + value[len(value) - tail :]
    if isinstance(value, list):
        return [_cut(one, cap) for one in value]
    if isinstance(value, dict):
        return {key: _cut(one, cap) for key, one in value.items()}
    return value


def _weight(value: Any, cap: int) -> int:
    """About the bytes of a value's JSON if its strings were cut to ``cap`` characters."""
    if isinstance(value, str):
        kept = value if len(value) <= cap else value[:cap]
        return 2 + (len(kept) if kept.isascii() else len(kept.encode("utf-8", "replace")))
    if isinstance(value, list):
        return 2 + sum(_weight(one, cap) + 1 for one in value)
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + _weight(one, cap) for key, one in value.items())
    return 8


def _at_work(item: Item) -> bool:
    return item.kind == "tool" and item.status in (None, "running", "waiting")


def _stopped(item: Item) -> Item:
    return item.model_copy(update={"status": "interrupted"}) if _at_work(item) else item


def _item(body: Mapping[str, Any]) -> Item | None:
    try:
        return Item.model_validate(body)
    except ValidationError:
        pass
    try:
        return Item.model_validate(_without_surrogates(body))
    except ValidationError:
        return None


def _without_surrogates(value: Any) -> Any:
    """Half a surrogate pair is valid JSON and no valid text: people's edits and importers bring it."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, Mapping):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value


def _numbered(item: Item) -> bool:
    return item.id.rpartition(".")[2].isdecimal()


def _item_order(item: Item) -> int:
    return int(item.id.rpartition(".")[2][:18])


def _alias(name: object) -> str:
    return str(name).replace("_", "").lower()
