"""What goes to a model and what comes back, in the terms of the Messages API but of no SDK.

``core/history.py`` builds a ``Request``, a model adapter turns it into its provider's call and yields ``ModelEvent``
values, and ``core/live.py`` folds those into items.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from agentd.protocol import Usage


@dataclass(frozen=True, slots=True)
class TextBlock:
    """``cache`` asks for a prompt-cache mark after this block."""

    text: str
    cache: bool = False


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    text: str
    signature: str


@dataclass(frozen=True, slots=True)
class RedactedBlock:
    data: str


@dataclass(frozen=True, slots=True)
class ToolUseBlock:
    id: str
    name: str
    input: dict[str, Any]
    cache: bool = False


@dataclass(frozen=True, slots=True)
class ToolResultBlock:
    id: str
    text: str
    is_error: bool = False
    cache: bool = False


Block = TextBlock | ThinkingBlock | RedactedBlock | ToolUseBlock | ToolResultBlock


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """``schema`` is the JSON Schema of the arguments."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model. ``max_tokens`` bounds the reply, ``thinking`` is the budget in tokens (None: off)."""

    model: str
    messages: tuple[Message, ...]
    system: tuple[TextBlock, ...] = ()
    max_tokens: int = 8192
    tools: tuple[ToolSpec, ...] = ()
    thinking: int | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """A content block begins. A tool block has ``call_id`` and ``name``, a redacted one ``data``."""

    kind: Literal["text", "thinking", "redacted", "tool"]
    call_id: str | None = None
    name: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class BlockDelta:
    """A piece of the open block: text, thinking, or a fragment of a tool's JSON arguments."""

    text: str


@dataclass(frozen=True, slots=True)
class BlockEnded:
    """The open block is whole; ``signature`` seals a thinking block."""

    signature: str | None = None


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """The call's usage so far: each one replaces the one before."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Stopped:
    """The reply is complete. A stream that ends without it was cut off. ``reason`` as the provider gave it."""

    reason: str


ModelEvent = BlockStarted | BlockDelta | BlockEnded | TokensUsed | Stopped


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What building a request must know of a model; the window and the longest reply in tokens.

    ``thinking_first``: with thinking on, the model's part of an open tool loop must begin with thinking (models that
    take a budget want it so, adaptive ones don't mind).
    """

    id: str
    provider: str
    context_window: int
    max_output: int
    tools: bool = True
    thinking: bool = False
    embedded: bool = False
    cache: bool = field(default=True)
    thinking_first: bool = True
