"""What a reader makes of a session: facts about it, and its records, drawn one turn at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentd.core.metadata import NAME_LIMIT, checked_name
from agentd.core.records import Draft
from agentd.errors import InvalidName
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.protocol import ImportFormat

Draw = Callable[[Target], Iterator[Draft]]
"""Draws a session's records, and counts them on the way. Once."""


@dataclass
class Reading:
    """A session that was recognised.

    ``id`` is the other program's, ``version`` that program's. ``fields`` are of our metadata (name, created, tags …)
    where the other program says so. ``drafts`` draws the records; ``problems`` grows meanwhile. ``documents`` are
    Markdown files by name. ``children`` are sub-agents' sessions, known once the parent's records are drawn.
    """

    format: ImportFormat
    id: str
    drafts: Draw
    problems: Problems
    version: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    children: list["Reading"] = field(default_factory=list)


def name_of(text: str | None, limit: int = NAME_LIMIT) -> str | None:
    """A name for a session of another's name or title: one line of printable characters; None if nothing is left."""
    if text is None:
        return None
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 8]).split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    try:
        return checked_name(line)
    except InvalidName:
        return None
