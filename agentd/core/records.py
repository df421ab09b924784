"""The transcript's records, as values: what is decided before it is written, and what was read back.

A ``Draft`` is a record without its place; the transcript gives it ``seq`` and, unless it brings one, ``time``. The
conversation is the fold of all records (``core/fold.py``). Kinds: ``turn`` (start and end), the item kinds,
``system``, ``mark``, ``segment``; unknown kinds and fields are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentd.protocol import Item, Turn

ITEM_KINDS = frozenset({"prompt", "text", "thinking", "redacted", "tool", "notice"})
MarkKind = Literal["rewind", "clear", "compact"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be written. ``turn`` is 0 for what belongs to none. ``time``: of what was recorded elsewhere before;
    None for when it is written. RFC 3339 UTC."""

    turn: int
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read. ``flagged``: its checksum did not fit (people edit by hand); it is used all the same."""

    seq: int
    turn: int
    time: str
    kind: str
    body: Mapping[str, Any]
    flagged: bool = False


def turn_draft(turn: Turn) -> Draft:
    """The start or end record of a turn: all of it but its items."""
    body = turn.dump()
    body.pop("items", None)
    body.pop("number", None)
    return Draft(turn.number, "turn", body)


def item_draft(turn: int, item: Item) -> Draft:
    """An item's record. Of several with one id, the last wins."""
    body = item.dump()
    kind = body.pop("kind")
    return Draft(turn, kind, body)


def system_draft(text: str) -> Draft:
    """A system message that travels with the session (imported ones, mostly)."""
    return Draft(0, "system", {"text": text})


def mark_draft(mark: MarkKind, through: int, *, keep_system: bool = True, summary: str | None = None) -> Draft:
    """A change of what the conversation is: ``through`` is the last turn it speaks of.

    ``clear`` and ``compact``: turns up to and including ``through`` are no longer sent to the model. ``rewind``: turns
    after ``through``, up to this record, are no part of the conversation.
    """
    body: dict[str, Any] = {"mark": mark, "through": through}
    if mark == "clear":
        body["keepSystem"] = keep_system
    if summary is not None:
        body["summary"] = summary
    return Draft(0, "mark", body)
