"""The running turn: folds model events into items, and says what changed.

A value that grows: no I/O, no clock. The turn loop feeds it and carries its changes to the journal and to clients;
a snapshot of it is what a late client is given.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentd.core.exchange import BlockDelta, BlockEnded, BlockStarted, ModelEvent, Stopped, TokensUsed
from agentd.protocol import Item, ItemKind, Problem, Turn, TurnStatus, Usage

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
        self._open: Item | None = None
        self._parts: list[str] = []
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

    def begin_call(self) -> None:
        """A further call of the model: its usage adds to what is there."""
        self._earlier_calls, self._this_call = self.usage, None
        self.stop_reason = None

    def feed(self, event: ModelEvent) -> Change | None:
        """Fold one model event. Tool arguments are not shown before they are whole."""
        match event:
            case BlockDelta(text):
                if self._open is None or not text:
                    return None
                self._parts.append(text)
                return Grew(self._open.id, text) if self._open.kind != "tool" else None
            case BlockStarted():
                return self._begin_block(event)
            case BlockEnded(signature):
                return self._end_block(signature)
            case TokensUsed(usage):
                self._this_call = usage
            case Stopped(reason):
                self.stop_reason = reason
        return None

    def add(self, kind: ItemKind, **fields: Any) -> Item:
        """A whole item that did not come from the model: a prompt that steers, a notice, a tool's result."""
        item = Item(id=self._next_id(), kind=kind, **fields)
        self._items.append(item)
        return item

    def replace(self, item: Item) -> None:
        """A later state of an item that is there already (a tool that ran)."""
        self._items = [item if old.id == item.id else old for old in self._items]

    def cut(self) -> Iterable[Change]:
        """End what is open, keeping what was streamed, and mark tools that never ran: the turn goes no further."""
        changes: list[Change] = []
        if self._open is not None:
            kind = self._open.kind
            ended = self._finish(None, {"status": "interrupted"} if kind == "tool" else {})
            changes.append(Ended(ended))
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
            text = None if self._open.kind in ("tool", "redacted") else "".join(self._parts)
            items.append(self._open.model_copy(update={"text": text}))
        return self._start.model_copy(update={"items": tuple(items), "usage": self.usage})

    def ended(self, status: TurnStatus, time: str, error: Problem | None = None) -> Turn:
        """The turn as it is kept."""
        return self._start.model_copy(
            update={
                "status": status,
                "ended": time,
                "items": tuple(self._items),
                "stop_reason": self.stop_reason,
                "error": error,
                "usage": self.usage,
            }
        )

    def _next_id(self) -> str:
        return f"{self.number}.{len(self._items) + 1 + (self._open is not None)}"

    def _begin_block(self, event: BlockStarted) -> Change:
        item = Item(
            id=self._next_id(),
            kind=BLOCK_KINDS[event.kind],
            text="" if event.kind in ("text", "thinking") else None,
            data=event.data,
            name=event.name,
            call_id=event.call_id,
            status="running" if event.kind == "tool" else None,
        )
        self._open, self._parts = item, []
        return Started(item)

    def _end_block(self, signature: str | None) -> Change | None:
        if self._open is None:
            return None
        extra: dict[str, Any] = {"signature": signature} if signature else {}
        if self._open.kind == "tool":
            extra = _tool_arguments("".join(self._parts))
        return Ended(self._finish(signature, extra))

    def _finish(self, signature: str | None, extra: dict[str, Any]) -> Item:
        assert self._open is not None
        text = "".join(self._parts) if self._open.kind in ("text", "thinking") else None
        item = self._open.model_copy(update={"text": text, **extra})
        self._items.append(item)
        self._open, self._parts = None, []
        return item


def _tool_arguments(text: str) -> dict[str, Any]:
    """The arguments, parsed strictly: what does not parse is never run, and says so."""
    try:
        arguments = json.loads(text) if text.strip() else {}
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return {"input": arguments}
    return {"input": {}, "status": "failed", "output": f"The arguments were not a JSON object: {text[:500]}"}
