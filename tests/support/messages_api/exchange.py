"""What the server records of one request: what came, what was written and when, and how it ended."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .errors import ApiError
from .http import HttpRequest

Outcome: TypeAlias = Literal["running", "answered", "refused", "broken", "disconnected", "stopped"]
"""`broken`: by a fault of the script. `disconnected`: the client hung up first. `stopped`: the server was closed."""


@dataclass(frozen=True)
class Written:
    """A delta and the `time.monotonic_ns()` just before its bytes were written."""

    kind: str
    text: str
    ns: int


@dataclass(eq=False)
class Exchange:
    """One `POST /v1/messages`. Only the server changes it."""

    number: int
    http: HttpRequest
    body: dict[str, Any]
    request_id: str
    deltas: list[Written] = field(default_factory=list)
    outcome: Outcome = "running"
    refusal: ApiError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        return self.http.headers

    @property
    def arrived_ns(self) -> int:
        return self.http.arrived_ns

    @property
    def text(self) -> str:
        """The text that was written so far."""
        return "".join(delta.text for delta in self.deltas if delta.kind == "text_delta")

    def record(self, kind: str, text: str) -> int:
        now = time.monotonic_ns()
        self.deltas.append(Written(kind, text, now))
        return now

    def end(self, outcome: Outcome) -> None:
        """The first outcome stands. It is told just before the last bytes are written, so that whoever has read the end
        of an answer finds it here."""
        if not self.ended.is_set():
            self.outcome = outcome
            self.ended.set()
