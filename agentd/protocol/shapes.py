"""The shapes of sessions, turns and items: what clients get and what the transcript holds, one and the same.

Only the model adapter translates them, and only importers read others' shapes. See DESIGN.md section 4.
"""

from typing import Any, Literal

from pydantic import Field

from agentd.protocol.base import JsonObject, Kept, Wire

SessionStatus = Literal["active", "archived"]
ListStatus = Literal["active", "background", "archived", "all"]
SessionState = Literal["idle", "queued", "running", "waiting"]
TurnStatus = Literal["queued", "running", "waiting", "completed", "interrupted", "failed"]
ItemKind = Literal["prompt", "text", "thinking", "redacted", "tool", "notice"]
ToolStatus = Literal["running", "waiting", "completed", "failed", "denied", "interrupted"]
Mode = Literal["plan", "ask", "edit"]
WhenBusy = Literal["queue", "steer", "reject"]


class Usage(Kept):
    """Tokens of one turn, as the provider counted them; ``cost`` in US dollars, absent when no price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: float | None = None

    def plus(self, other: "Usage") -> "Usage":
        """Field-wise sum; the cost is known only where both are."""
        cost = None if self.cost is None and other.cost is None else (self.cost or 0.0) + (other.cost or 0.0)
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost=cost,
        )


class Position(Wire):
    """Zero-based line and character, the character in UTF-16 units (LSP's default encoding)."""

    line: int = Field(ge=0)
    character: int = Field(ge=0)


class Range(Wire):
    """Half-open, as in LSP."""

    start: Position
    end: Position


class ContextItem(Wire):
    """Something that a person pointed at.

    ``file`` takes ``uri``; ``range`` and ``selection`` take ``uri`` and ``range``; ``text`` takes ``text`` and, for
    people, a ``title``.
    """

    type: Literal["file", "range", "selection", "text"]
    uri: str | None = None
    range: Range | None = None
    text: str | None = None
    title: str | None = None


class ContextText(Kept):
    """A context item as the model was given it: the text that was on the screen or on disk when the prompt was sent.

    ``problem`` says in words why there is no text (outside the root, binary, missing, huge); the chat goes on.
    """

    title: str
    text: str | None = None
    uri: str | None = None
    unsaved: bool | None = None
    problem: str | None = None


class Problem(Kept):
    """Why a turn ended as it did: the same ``kind`` values as request errors, ``modelFailed`` among them."""

    kind: str
    message: str
    retryable: bool = False


class Item(Kept):
    """One piece of a turn. ``id`` is ``<turn>.<n>`` and permanent.

    ``text`` is the prompt's, the reply's, the thinking's or the notice's; ``signature`` seals thinking for the model
    that made it, ``data`` is redacted thinking. A tool item has ``name``, ``input``, ``status`` and, once it ran,
    ``output``; ``callId`` is the provider's own id for the call. A prompt that steered has the number that it had while
    it waited (``queued``) and its client's ``ref``.
    """

    id: str
    kind: ItemKind
    text: str | None = None
    context: tuple[ContextText, ...] | None = None
    signature: str | None = None
    data: str | None = None
    name: str | None = None
    call_id: str | None = None
    input: JsonObject | None = None
    status: ToolStatus | None = None
    output: str | None = None
    edits: tuple[JsonObject, ...] | None = None
    queued: int | None = None
    ref: str | None = None


class Turn(Kept):
    """A prompt and all that followed it. Numbers count from 1 and are never reused; times are RFC 3339 UTC.

    ``retryOf`` names the earlier turn whose prompt this one sends again: that one stays on record, and is no longer
    sent to the model. ``messages`` and ``turns`` count the session's up to this turn's end. ``queued`` is the number
    that its prompt had while it waited; another one than ``number`` if other turns overtook it. ``mode`` and
    ``profile`` are the session's from this turn on, when its prompt named them. A turn that compacts has no prompt:
    ``compacted`` is the last turn that its summary, its only item, stands in for.
    """

    number: int
    status: TurnStatus
    started: str
    ended: str | None = None
    items: tuple[Item, ...] = ()
    stop_reason: str | None = None
    error: Problem | None = None
    usage: Usage | None = None
    model: str | None = None
    ref: str | None = None
    background: bool | None = None
    retry_of: int | None = None
    messages: int | None = None
    turns: int | None = None
    queued: int | None = None
    mode: Mode | None = None
    profile: str | None = None
    compacted: int | None = None


class ForkedFrom(Kept):
    """Lineage: ``turn`` is the last turn that the fork took over (0: none)."""

    session_id: str
    turn: int


class Session(Kept):
    """A session's metadata as clients see it, with its live ``state``. ``status`` is what was decided about it.

    ``root`` is its project's, in answers about every project; ``config`` and ``agentOverlay`` are in a sub-session's
    ``session/show``. ``lastTurn`` says how the newest turn ended.
    """

    id: str
    status: SessionStatus = "active"
    state: SessionState = "idle"
    unseen: bool = False
    background: bool = False
    last_turn: TurnStatus | None = None
    created: str
    last_active: str
    name: str | None = None
    name_source: Literal["user", "auto"] | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    first_message: str | None = None
    last_prompt: str | None = None
    message_count: int = 0
    turn_count: int = 0
    file_count: int = 0
    model: str | None = None
    provider: str | None = None
    profile: str | None = None
    mode: Mode = "ask"
    working_dir: str | None = None
    branch: str | None = None
    parent_id: str | None = None
    trace_id: str | None = None
    agent_name: str | None = None
    forked_from: ForkedFrom | None = None
    usage: Usage | None = None
    metadata: JsonObject = Field(default_factory=dict)
    config: dict[str, Any] | None = None
    agent_overlay: dict[str, Any] | None = None
    root: str | None = None


class Price(Wire):
    """US dollars for a million tokens. Cache prices that are not given follow the input's (write 1.25, read 0.1).

    ``long``: the prices of a call whose whole prompt, cached tokens included, is longer than ``longOver`` tokens.
    """

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    long_over: int | None = Field(default=None, gt=0)
    long: "Price | None" = None


class ModelInfo(Kept):
    """A model that can be named in ``--model``; ``contextWindow`` in tokens, absent when not known."""

    id: str
    provider: str
    name: str
    context_window: int | None = None
    available: bool = True
    reason: str | None = None
    price: Price | None = None


class ProfileInfo(Kept):
    """A profile: ``agents/NAME.md``. ``source`` is its file."""

    name: str
    description: str = ""
    model: str | None = None
    mode: Mode | None = None
    tools: tuple[str, ...] | None = None
    source: str


class DocumentInfo(Kept):
    """A session document; ``size`` in bytes, ``modified`` RFC 3339 UTC."""

    uri: str
    name: str
    size: int
    modified: str


class SessionStats(Kept):
    """What ``session/show`` counts."""

    turns: int = 0
    messages: int = 0
    tool_calls: int = 0
    usage: Usage = Usage()
