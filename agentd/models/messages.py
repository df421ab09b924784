"""The Messages API's JSON: a request written, a reply's events read. Pure; knows no SDK, no socket and no clock.

Owns the one translation between ``core.exchange`` and the wire that Claude, other endpoints and the embedded model
share. Source of the format: the Messages API's streaming reference, and the SDK's ``types``.
"""

import json
import re
from typing import Any, Final

from agentd.core.exchange import (
    Block,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    ModelEvent,
    ModelTraits,
    RedactedBlock,
    Request,
    Stopped,
    TextBlock,
    ThinkingBlock,
    TokensUsed,
    ToolResultBlock,
    ToolUseBlock,
)
from agentd.errors import ModelFailed
from agentd.protocol import Usage

Json = dict[str, Any]

_MARK: Final = {"type": "ephemeral"}
_VERSION: Final = re.compile(r"claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)")
_MIN_BUDGET: Final = 1024


def encode(request: Request, traits: ModelTraits) -> Json:
    """The body of ``POST /v1/messages`` but for ``stream``. The reply is bounded by what the model can give."""
    max_tokens = min(request.max_tokens, traits.max_output)
    body: Json = {
        "model": request.model,
        "max_tokens": max_tokens,
        "messages": [
            {"role": message.role, "content": [_block(block) for block in message.blocks]}
            for message in request.messages
        ],
    }
    if request.system:
        body["system"] = [_block(block) for block in request.system]
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools
        ]
    if request.thinking is not None:
        body |= _thinking(request.model, request.thinking, max_tokens)
    return body


def thinks_adaptively(model: str) -> bool:
    """Whether this model takes ``thinking: adaptive``: Claude from 4.6 on. From 4.7 on a budget is answered by 400."""
    version = _VERSION.search(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) >= (4, 6)


def _thinking(model: str, budget: int, max_tokens: int) -> Json:
    if thinks_adaptively(model):
        # Left to itself the API sends such thinking, and text between tool calls, as empty blocks.
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    # A budget must leave room for the reply; where it cannot, an answer without thinking is better than none.
    budget = min(budget, max_tokens - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _MIN_BUDGET else {}


def _block(block: Block) -> Json:
    match block:
        case TextBlock():
            value: Json = {"type": "text", "text": block.text}
        case ThinkingBlock():
            return {"type": "thinking", "thinking": block.text, "signature": block.signature}
        case RedactedBlock():
            return {"type": "redacted_thinking", "data": block.data}
        case ToolUseBlock():
            value = {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResultBlock():
            value = {"type": "tool_result", "tool_use_id": block.id}
            # Empty or blank text is refused; a result without content is not.
            if block.text.strip():
                value["content"] = block.text
            if block.is_error:
                value["is_error"] = True
    if block.cache:
        value["cache_control"] = _MARK
    return value


class Reply:
    """Folds the events of one reply, as parsed JSON, into ``ModelEvent`` values, in order.

    What is unknown (event, block or delta types) is passed over. ``started`` and ``stopped`` say how far it came.
    """

    __slots__ = ("_id", "_input", "_kind", "_signature", "_stop", "_usage", "started", "stopped")

    def __init__(self) -> None:
        self.started = False
        self.stopped = False
        self._id: object = None
        self._kind: str | None = None
        self._input: Json | None = None
        self._signature = ""
        self._stop: str | None = None
        self._usage: dict[str, int] = {}

    def read(self, event: Json) -> tuple[ModelEvent, ...]:
        """What this event means. Raises ``ModelFailed`` (badReply) for one that fits no reply."""
        try:
            kind = event["type"]
            if kind == "content_block_delta":
                return self._delta(event["delta"])
            if kind == "content_block_start":
                return self._start_block(event["content_block"])
            if kind == "content_block_stop":
                return self._end_block()
            if kind == "message_start":
                return self._start(event["message"])
            if kind == "message_delta":
                self._stop = event["delta"].get("stop_reason") or self._stop
                return self._count(event.get("usage"))
            if kind == "message_stop":
                self.stopped = True
                return (*self._end_block(), Stopped(self._stop or "end_turn"))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise bad_reply(f"an event of the reply has not the form of the Messages API ({error!r})") from error
        return ()

    def _start(self, message: Json) -> tuple[ModelEvent, ...]:
        if self.started and message.get("id") != self._id:
            raise bad_reply("a second reply began within the first")
        self.started, self._id = True, message.get("id")
        return self._count(message.get("usage"))

    def _count(self, usage: Json | None) -> tuple[ModelEvent, ...]:
        """Later counts replace earlier ones: the API's are cumulative."""
        if not usage:
            return ()
        self._usage |= {name: count for name, count in usage.items() if isinstance(count, int)}
        seen = self._usage
        return (
            TokensUsed(
                Usage(
                    input_tokens=seen.get("input_tokens", 0),
                    output_tokens=seen.get("output_tokens", 0),
                    cache_read_tokens=seen.get("cache_read_input_tokens", 0),
                    cache_write_tokens=seen.get("cache_creation_input_tokens", 0),
                )
            ),
        )

    def _start_block(self, block: Json) -> tuple[ModelEvent, ...]:
        before = self._end_block()
        self._kind, self._signature, self._input = block["type"], "", None
        match self._kind:
            case "text":
                return (*before, BlockStarted("text"), *_piece(block.get("text")))
            case "thinking":
                self._signature = block.get("signature") or ""
                return (*before, BlockStarted("thinking"), *_piece(block.get("thinking")))
            case "redacted_thinking":
                return (*before, BlockStarted("redacted", data=block["data"]))
            case "tool_use":
                # Some endpoints send the arguments whole, here; the API sends an empty object and then deltas.
                self._input = block.get("input") or None
                return (*before, BlockStarted("tool", call_id=block["id"], name=block["name"]))
        return before

    def _delta(self, delta: Json) -> tuple[ModelEvent, ...]:
        kind, opened = delta["type"], self._kind
        if kind == "text_delta" and opened == "text":
            return _piece(delta["text"])
        if kind == "input_json_delta" and opened == "tool_use":
            if piece := delta["partial_json"]:
                self._input = None
            return _piece(piece)
        if kind == "thinking_delta" and opened == "thinking":
            return _piece(delta["thinking"])
        if kind == "signature_delta" and opened == "thinking":
            self._signature += delta["signature"]
        elif kind in ("text_delta", "input_json_delta", "thinking_delta") and opened in _KNOWN:
            # Dropping what was said would be worse than stopping. A block of an unknown type may hold anything.
            raise bad_reply(f"a {kind} came in a block of type {opened}")
        return ()

    def _end_block(self) -> tuple[ModelEvent, ...]:
        opened, self._kind = self._kind, None
        if opened is None or opened not in _KNOWN:
            return ()
        whole = () if self._input is None else (BlockDelta(json.dumps(self._input)),)
        self._input = None
        return (*whole, BlockEnded(self._signature or None))


_KNOWN: Final = frozenset((None, "text", "thinking", "redacted_thinking", "tool_use"))


def _piece(text: str | None) -> tuple[ModelEvent, ...]:
    return (BlockDelta(text),) if text else ()


def bad_reply(what: str) -> ModelFailed:
    """A reply that is none: the endpoint speaks something else, or a proxy in between does."""
    return ModelFailed(f"The model's endpoint sent something unexpected: {what}.", "badReply", retryable=True)
