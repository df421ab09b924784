"""The events of a reply, in the order and form of the real API. Pure: it yields steps and writes none of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

from .script import (
    Cut,
    Delay,
    DuplicateStart,
    Eof,
    ErrorEvent,
    Part,
    Piece,
    Ping,
    Raw,
    Redacted,
    Reply,
    Reset,
    Stall,
    Text,
    Thinking,
    ToolUse,
    UnknownBlock,
    UnknownDelta,
    UnknownEvent,
    Wait,
)
from .signing import sign


@dataclass(frozen=True)
class Emit:
    payload: dict[str, Any]


@dataclass(frozen=True)
class Delta:
    """A piece of a block's content. Its bytes are made when it is written, because a stamp is the time of that."""

    index: int
    kind: str
    field: str
    text: str
    stamp: bool = False

    def emit(self, now_ns: int) -> Emit:
        text = f"@{now_ns} {self.text}" if self.stamp else self.text
        return Emit(
            {"type": "content_block_delta", "index": self.index, "delta": {"type": self.kind, self.field: text}}
        )


Step: TypeAlias = Emit | Delta | Raw | Delay | Wait | Eof | Cut | Reset | Stall | ErrorEvent

PING = Emit({"type": "ping"})


def encode(step: Emit) -> bytes:
    data = json.dumps(step.payload, separators=(",", ":"), ensure_ascii=False)
    return f"event: {step.payload['type']}\ndata: {data}\n\n".encode()


def steps(reply: Reply, model: str, prompt_tokens: int) -> Iterator[Step]:
    usage = {
        "input_tokens": prompt_tokens if reply.usage.input_tokens is None else reply.usage.input_tokens,
        "cache_creation_input_tokens": reply.usage.cache_creation_input_tokens,
        "cache_read_input_tokens": reply.usage.cache_read_input_tokens,
    }
    start = Emit({"type": "message_start", "message": _message(model, {**usage, "output_tokens": 1})})
    yield start
    index = written = 0
    for part in reply.parts:
        for step in _part(part, index, start):
            if isinstance(step, Delta):
                written += len(step.text)
            yield step
            # The real API sends a ping once the first block has begun.
            if index == 0 and isinstance(step, Emit) and step.payload["type"] == "content_block_start":
                yield PING
        if isinstance(part, Text | Thinking | Redacted | ToolUse | UnknownBlock):
            index += 1
    output = max(1, written // 4) if reply.usage.output_tokens is None else reply.usage.output_tokens
    ending = {"stop_reason": stop_reason(reply), "stop_sequence": reply.stop_sequence}
    yield Emit({"type": "message_delta", "delta": ending, "usage": {**usage, "output_tokens": output}})
    for late in reply.after:
        yield from _part(late, index, start)
    yield Emit({"type": "message_stop"})


def stop_reason(reply: Reply) -> str:
    if reply.stop_reason is not None:
        return reply.stop_reason
    return "tool_use" if any(isinstance(part, ToolUse) for part in reply.parts) else "end_turn"


def _message(model: str, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": f"msg_{uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _part(part: Part | UnknownDelta, index: int, start: Emit) -> Iterator[Step]:
    match part:
        case Text():
            deltas = _deltas(part.content, part.size, Delta(index, "text_delta", "text", "", part.stamp), start)
            yield from _block(index, {"type": "text", "text": ""}, deltas)
        case Thinking():
            opening = {"type": "thinking", "thinking": "", "signature": ""}
            yield from _block(index, opening, _thinking(part, index, start))
        case Redacted():
            yield from _block(index, {"type": "redacted_thinking", "data": part.data}, iter(()))
        case ToolUse():
            call = {"type": "tool_use", "id": part.id or f"toolu_{uuid4().hex[:24]}", "name": part.name, "input": {}}
            content = part.input if isinstance(part.input, tuple) else json.dumps(dict(part.input))
            pattern = Delta(index, "input_json_delta", "partial_json", "")
            # The real API opens a tool's input with an empty delta.
            yield from _block(index, call, _deltas(content, part.size, pattern, start, opening=pattern))
        case UnknownBlock():
            deltas = iter((Delta(index, "hologram_delta", "hologram", "?"),))
            yield from _block(index, {"type": "hologram", "hologram": ""}, deltas)
        case UnknownDelta():
            yield Delta(index, "hologram_delta", "hologram", "?")
        case UnknownEvent():
            yield Emit({"type": "hologram_projected", "index": index})
        case DuplicateStart():
            yield start
        case Ping():
            yield PING
        case _:
            yield part


def _block(index: int, opening: dict[str, Any], deltas: Iterator[Step]) -> Iterator[Step]:
    yield Emit({"type": "content_block_start", "index": index, "content_block": opening})
    yield from deltas
    yield Emit({"type": "content_block_stop", "index": index})


def _thinking(part: Thinking, index: int, start: Emit) -> Iterator[Step]:
    yield from _deltas(part.content, part.size, Delta(index, "thinking_delta", "thinking", ""), start)
    if part.signed:
        pieces = (part.content,) if isinstance(part.content, str) else part.content
        whole = "".join(piece for piece in pieces if isinstance(piece, str))
        yield Delta(index, "signature_delta", "signature", sign(whole))


def _deltas(
    content: str | tuple[Piece, ...], size: int | None, pattern: Delta, start: Emit, opening: Delta | None = None
) -> Iterator[Step]:
    if opening is not None:
        yield opening
    for piece in (content,) if isinstance(content, str) else content:
        if isinstance(piece, str):
            step = size or max(1, len(piece))
            for at in range(0, len(piece), step):
                yield Delta(pattern.index, pattern.kind, pattern.field, piece[at : at + step], pattern.stamp)
        else:
            yield from _part(piece, pattern.index, start)
