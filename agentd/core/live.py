"""The running turn: folds model events into items, and says what changed.

A value that grows: no I/O, no clock. The turn loop feeds it and carries its changes to the journal and to clients;
a snapshot of it is what a late client is given.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentd.core.exchange import BlockDelta, BlockEnded, BlockStarted, ModelEvent, Stopped, TokensUsed
from agentd.protocol import Item, ItemKind, Problem, Turn, TurnStatus, Usage
from agentd.protocol.base import DEEPEST, sound_text

BLOCK_KINDS: dict[str, ItemKind] = {"text": "text", "thinking": "thinking", "redacted": "redacted", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Started:
    item: Item


@dataclass(frozen=True, slots=True)
class Grew:
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    item: Item


Change = Started | Grew | Ended


class LiveTurn:
    """A turn from its prompt to its end. ``stop_reason`` is that of the newest call, None while it streams."""

    def __init__(self, turn: Turn) -> None:
        self._start = turn
        self._items: list[Item] = list(turn.items)
        self.begun = len(turn.items)
        """How many items it was begun with: those are on record."""
        self._newest = max([len(turn.items), *(_number(item.id) for item in turn.items)])
        self._open: Item | None = None
        self._open_at = 0
        self._parts: list[str] = []
        self._half = ""
        self._earlier_calls: Usage | None = None
        self._this_call: Usage | None = None
        self.stop_reason: str | None = None

    @property
    def number(self) -> int:
        return self._start.number

    @property
    def start(self) -> Turn:
        """The turn as it was begun, its prompt included."""
        return self._start

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that are whole."""
        return tuple(self._items)

    @property
    def usage(self) -> Usage | None:
        """Tokens of all calls so far."""
        if self._earlier_calls is None or self._this_call is None:
            return self._this_call or self._earlier_calls
        return self._earlier_calls.plus(self._this_call)

    def restate(self, start: Turn) -> None:
        """What is said of the turn beside its items has changed, on disk already."""
        self._start = start

    def begin_call(self) -> None:
        """A further call of the model: its usage adds to what is there."""
        self._earlier_calls, self._this_call = self.usage, None
        self.stop_reason = None

    def feed(self, event: ModelEvent) -> Change | None:
        """Fold one model event; one that makes no sense here costs nothing but itself.

        Tool arguments are not shown before they are whole.
        """
        match event:
            case BlockDelta(str() as text):
                return self._grow(text)
            case BlockStarted():
                return self._begin_block(event)
            case BlockEnded(signature):
                return self._end_block(signature)
            case TokensUsed(usage):
                self._this_call = usage
            case Stopped(reason):
                self.stop_reason = reason
        return None

    def next_item(self, kind: ItemKind, **fields: Any) -> Item:
        """A whole item that does not come from the model (a prompt that steers), for ``add`` once it is on disk."""
        return Item(id=self._next_id(), kind=kind, **fields)

    def add(self, item: Item) -> None:
        self._items.append(item)

    def replace(self, item: Item) -> None:
        """A later state of an item that is there already (a tool that ran)."""
        self._items = [item if old.id == item.id else old for old in self._items]

    def cut(self) -> Iterable[Ended]:
        """End what is open, keeping what was streamed, and mark tools that never ran: the turn goes no further."""
        changes: list[Ended] = []
        if self._open is not None:
            changes.append(Ended(self._finish(_stopped(self._open))))
        for item in self._items:
            if item.kind == "tool" and item.status in ("running", "waiting"):
                stopped = item.model_copy(update={"status": "interrupted"})
                self.replace(stopped)
                changes.append(Ended(stopped))
        return changes

    def snapshot(self) -> Turn:
        """All of the turn so far, the open item with its text so far."""
        items = list(self._items)
        if self._open is not None:
            items.insert(self._open_at, self._open.model_copy(update={"text": self._text}))
        return self._start.model_copy(update={"items": tuple(items), "usage": self.usage})

    def ended(self, status: TurnStatus, time: str, error: Problem | None = None) -> Turn:
        """The turn as it is kept."""
        return self.snapshot().model_copy(
            update={"status": status, "ended": time, "stop_reason": self.stop_reason, "error": error}
        )

    @property
    def _text(self) -> str | None:
        """Of the open item, as clients have it."""
        shown = self._open is not None and self._open.kind in ("text", "thinking")
        return "".join(self._parts) if shown else None

    def _next_id(self) -> str:
        self._newest += 1
        return f"{self.number}.{self._newest}"

    def _grow(self, piece: str) -> Change | None:
        """A character beyond U+FFFF may come in two halves, in two pieces: the first half waits for the second."""
        if self._open is None or self._open.kind == "redacted":
            return None
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = sound_text(text.removesuffix(self._half))
        if not text:
            return None
        self._parts.append(text)
        return Grew(self._open.id, text) if self._open.kind != "tool" else None

    def _begin_block(self, event: BlockStarted) -> Change | None:
        if self._open is not None:
            self._finish(_stopped(self._open))  # it never ended, so it is kept as what was streamed of it
        kind = BLOCK_KINDS.get(event.kind)
        if kind is None:
            return None
        item = Item(
            id=self._next_id(),
            kind=kind,
            text="" if kind in ("text", "thinking") else None,
            data=_string(event.data),
            name=_string(event.name),
            call_id=_string(event.call_id),
            status="running" if kind == "tool" else None,
        )
        self._open, self._open_at = item, len(self._items)
        return Started(item)

    def _end_block(self, signature: str | None) -> Change | None:
        if self._open is None:
            return None
        extra: dict[str, Any] = {"signature": sealed} if (sealed := _string(signature)) else {}
        if self._open.kind == "tool":
            extra = _tool_arguments("".join(self._parts))
        return Ended(self._finish(extra))

    def _finish(self, extra: dict[str, Any]) -> Item:
        assert self._open is not None
        item = self._open.model_copy(update={"text": self._text, **extra})
        self._items.insert(self._open_at, item)
        self._open, self._parts, self._half = None, [], ""
        return item


def _stopped(item: Item) -> dict[str, Any]:
    """What is to be said of an open item that goes no further."""
    return {"status": "interrupted"} if item.kind == "tool" else {}


def _number(item_id: str) -> int:
    """The item's own number, 0 where somebody else's id has none."""
    digits = item_id.rpartition(".")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0


def _string(value: object) -> str | None:
    return sound_text(value) if isinstance(value, str) else None


def _tool_arguments(text: str) -> dict[str, Any]:
    """The arguments, parsed strictly: what is not sound JSON is never run, and says so.

    Python's parser takes NaN, numbers beyond a float, the same name twice and half a surrogate pair; a tool must not.
    """
    try:
        arguments = json.loads(
            text if text.strip() else "{}",
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        json.dumps(arguments, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict) and _depth(arguments) <= DEEPEST:
        return {"input": arguments}
    return {"input": {}, "status": "failed", "output": f"The arguments were not a JSON object: {text[:500]}"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name comes twice")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _depth(value: Any) -> int:
    """How deep lists and objects are nested."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        deepest += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return deepest
