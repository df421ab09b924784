"""What a test can make the server say. Values only: nothing here writes a byte or knows about HTTP framing.

An answer is a `Reply` (a message, streamed or whole, with faults where the test wants them) or an `Http` (any other
HTTP response). A reply happens in this order: `before`, the response head and `message_start`, `parts`,
`message_delta`, `after`, `message_stop`. So a fault can stand before, during and after the tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from .gate import Gate


@dataclass(frozen=True)
class Delay:
    """Time passes. Only for benchmarks and timeouts: a test that waits for something uses `Wait`."""

    seconds: float


@dataclass(frozen=True)
class Wait:
    gate: Gate


@dataclass(frozen=True)
class Ping:
    """A `ping` event."""


@dataclass(frozen=True)
class Raw:
    """Bytes of the event stream as they stand."""

    data: bytes


@dataclass(frozen=True)
class UnknownEvent:
    """An event type from the future, which a client must ignore."""


@dataclass(frozen=True)
class UnknownDelta:
    """A delta type from the future, inside the block it stands in."""


@dataclass(frozen=True)
class UnknownBlock:
    """A whole content block of a type from the future."""


@dataclass(frozen=True)
class DuplicateStart:
    """`message_start` once more."""


@dataclass(frozen=True)
class Eof:
    """The body ends as HTTP wants it, with no `message_stop`. Before the head: closed without a response."""


@dataclass(frozen=True)
class Cut:
    """The connection is closed without the last chunk, as by a proxy that died."""


@dataclass(frozen=True)
class Reset:
    """A TCP reset. A Unix socket knows none: there it is a `Cut`."""


@dataclass(frozen=True)
class Stall:
    """Nothing more comes, ever; with `pings`, a ping each so many seconds. Ends when the client or the server goes."""

    pings: float | None = None


@dataclass(frozen=True)
class ErrorEvent:
    """`event: error`, which ends the stream."""

    kind: str = "overloaded_error"
    message: str = "Overloaded"


Pause: TypeAlias = Delay | Wait
ConnectionFault: TypeAlias = Eof | Cut | Reset | Stall
StreamFault: TypeAlias = ConnectionFault | ErrorEvent
Oddity: TypeAlias = Ping | Raw | UnknownEvent | DuplicateStart
Piece: TypeAlias = str | Pause | Oddity | UnknownDelta | StreamFault
"""What a block streams: each string is one delta."""


@dataclass(frozen=True)
class Text:
    """A text block. With `size`, strings are cut into deltas of so many characters. With `stamp`, each delta begins
    with `@<time.monotonic_ns() of its writing> `, for a reader in another process that measures its age."""

    content: str | tuple[Piece, ...]
    size: int | None = None
    stamp: bool = False


@dataclass(frozen=True)
class Thinking:
    """A thinking block and its signature. Other endpoints that speak this API send none: `signed=False`."""

    content: str | tuple[Piece, ...]
    size: int | None = None
    signed: bool = True


@dataclass(frozen=True)
class Redacted:
    data: str


@dataclass(frozen=True)
class ToolUse:
    """A call. A mapping is streamed as its JSON; a tuple as it stands, for JSON that is cut or held back midway."""

    name: str
    input: Mapping[str, Any] | tuple[Piece, ...]
    id: str | None = None
    size: int | None = None


Part: TypeAlias = Text | Thinking | Redacted | ToolUse | UnknownBlock | Pause | Oddity | StreamFault


@dataclass(frozen=True)
class Usage:
    """Token counts; those left out are estimated from the texts."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


Split: TypeAlias = Literal["event", "whole"] | int
"""Bytes over writes: one event a write, all in one (but for pauses), or every so many bytes."""


@dataclass(frozen=True)
class Reply:
    """One message of the model. `stop_reason` is `tool_use` by itself when a part is one. `delay` follows each
    delta, in seconds."""

    parts: tuple[Part, ...] = ()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage = Usage()
    before: tuple[Pause | ConnectionFault, ...] = ()
    after: tuple[Pause | Oddity | StreamFault, ...] = ()
    delay: float | None = None
    split: Split = "event"


@dataclass(frozen=True)
class Http:
    """Any other HTTP response. Without a body it is the API's own error for the status."""

    status: int
    body: str | bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


Answer: TypeAlias = Reply | Http
Script: TypeAlias = Sequence[Answer] | Callable[[dict[str, Any]], Answer]
"""Answers in the order of arrival, or a function from a request's body to its answer."""

RATE_LIMITED: Final = Http(429, headers=(("retry-after", "1"),))
OVERLOADED: Final = Http(529)
SERVER_ERROR: Final = Http(500)
HTML: Final = "<html><body><h1>Bad gateway</h1></body></html>"
BAD_GATEWAY: Final = Http(502, HTML, content_type="text/html")
HTML_INSTEAD: Final = Http(200, HTML, content_type="text/html")
JSON_INSTEAD: Final = Http(200, '{"hello": "world"}')
EMPTY: Final = Http(200, b"", content_type="text/event-stream")
MALFORMED_JSON: Final = Raw(b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "del\n\n')
INVALID_UTF8: Final = Raw(
    b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, '
    b'"delta": {"type": "text_delta", "text": "\xff\xfe"}}\n\n'
)


def say(*texts: str) -> Reply:
    """The plainest reply: one text block, one delta for each string."""
    return Reply((Text(texts),))
