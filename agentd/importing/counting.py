"""What is counted of a session while its records are drawn: the derived fields of its metadata."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agentd.protocol import Turn, TurnStatus, Usage
from agentd.session import messages_of, one_line, prompt_of

Keep = Callable[[bytes], str]
"""Keeps a blob beside the session, and says its hash."""


class Counts:
    """Grows with each turn."""

    def __init__(self) -> None:
        self.turns = 0
        self.messages = 0
        self.tools = 0
        self.first_time: str | None = None
        self.last_time: str | None = None
        self.first_message: str | None = None
        self.last_prompt: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.last_turn: TurnStatus | None = None

    def add(self, turn: Turn) -> int:
        """Count a turn that is over; the session's messages up to it."""
        self.turns += turn.compacted is None
        self.messages += messages_of(turn)
        self.tools += sum(1 for item in turn.items if item.kind == "tool")
        self.first_time = self.first_time or turn.started
        self.last_time = max(self.last_time or "", turn.ended or turn.started)
        said = one_line(prompt_of(turn) or "") or None
        self.first_message = self.first_message or said
        self.last_prompt = said or self.last_prompt
        self.model = turn.model or self.model
        self.last_turn = turn.status
        if turn.usage is not None:
            self.usage = self.usage.plus(turn.usage) if self.usage else turn.usage
        return self.messages


@dataclass
class Target:
    """The session that is being made: what is counted of it, and where its blobs go.

    ``time`` stands where the original has none.
    """

    keep: Keep
    time: str
    counts: Counts = field(default_factory=Counts)
