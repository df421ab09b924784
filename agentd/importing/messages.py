"""Conversations kept as a list of messages with roles: the dialect that many programs share, with all its variations.

``content`` is a string or a list of blocks; tool calls stand in ``tool_calls`` or among the blocks; results are
messages of the role ``tool`` or blocks of a user's message.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agentd.core.records import Draft
from agentd.importing import values as v
from agentd.importing.building import TurnBuilder
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.importing.source import Place, Records
from agentd.importing.values import Json
from agentd.protocol import ToolStatus, Usage

CALLS = ("tool_call", "tool_use", "function_call", "toolCall")
RESULTS = ("tool_result", "toolResult", "function_call_output")
ROLES = frozenset({"user", "assistant", "tool", "system", "developer", "function"})


@dataclass
class Messages:
    """A list of messages. ``model`` is who speaks where messages name nobody. Signatures of thinking are not kept."""

    records: Records
    problems: Problems
    model: str | None = None
    started: str | None = None
    finished: str | None = None
    envelope: str | None = None
    """The field that the message is in, when it is wrapped."""
    skipped: frozenset[str] = field(default_factory=frozenset)
    """Types of records that are no messages."""
    _calls: set[str] = field(default_factory=set)
    _results: dict[str, list[tuple[str, ToolStatus, str | None]]] = field(default_factory=dict)

    def drafts(self, target: Target) -> Iterator[Draft]:
        builder = TurnBuilder(target, self.started)
        builder.model(self.model)
        self._gather()
        for place, message, time in self._messages(self.problems):
            builder.at(time)
            self._message(builder, place, message)
            yield from builder.records()
        builder.close()
        yield from builder.records()

    def _messages(self, problems: Problems | None) -> Iterator[tuple[Place, Json, str | None]]:
        for place, record in self.records.all(problems):
            if v.string(record.get("type")) in self.skipped:
                continue
            message = record.get(self.envelope) if self.envelope else record
            if not isinstance(message, dict) or not v.one_of(message.get("role"), ROLES):
                if problems is not None:
                    problems.damaged(place.line, "is no message", "Entry" if not place.size else "Line")
                continue
            inner = v.mapping(message.get("metadata")).get("timestamp")
            times = (message.get("timestamp"), inner, record.get("timestamp"), message.get("created_at"))
            time = next((found for one in times if (found := v.moment(one)) is not None), None)
            yield place, message, time

    def _gather(self) -> None:
        """Every call and every result, wherever they stand: some results come late, some have no call."""
        for _, message, time in self._messages(None):
            self._calls.update(_calls_in(message))
            for call_id, output, status in _results_in(message):
                self._results.setdefault(call_id, []).append((output, status, time))

    def _message(self, builder: TurnBuilder, place: Place, message: Json) -> None:
        role = message["role"]
        content = message.get("content")
        if role in ("system", "developer"):
            if not builder.system(v.block_text(content)):
                self.problems.note(f"Line {place.line:,}: a system message was left out: there are too many of them.")
        elif role == "user":
            blocks = [block for block in content if not _is_result(block)] if isinstance(content, list) else content
            text = builder.without_images(blocks)
            self._orphans(builder, place, message)
            if text.strip() or not any(True for _ in _results_in(message)):
                builder.prompt(text)
        elif role == "assistant":
            self._assistant(builder, place, message)
        else:
            self._orphans(builder, place, message)

    def _orphans(self, builder: TurnBuilder, place: Place, message: Json) -> None:
        for call_id, output, status in _results_in(message):
            if call_id not in self._calls:
                self.problems.note(f"Line {place.line:,}: a tool's result without its call; it is kept by itself.")
                builder.answered(v.first_string(message, "name", "tool_name") or "unknown", output, status)

    def _assistant(self, builder: TurnBuilder, place: Place, message: Json) -> None:
        builder.model(v.string(message.get("model")))
        thought = message.get("thinking_block") or message.get("reasoning_content") or message.get("thinking")
        if isinstance(thought, dict):
            thought = v.first_string(thought, "thinking", "text")
        in_blocks = [v.string(block.get("type")) for block in v.mappings(message.get("content"))]
        if isinstance(thought, str) and not {"thinking", "reasoning"} & set(in_blocks):
            builder.thinking(thought)
        calls = [*v.mappings(message.get("tool_calls"))]
        known = {v.string(call.get("id")) for call in calls}
        content = message.get("content")
        for one in content if isinstance(content, list) else [content]:
            block = v.mapping(one)
            kind = v.string(block.get("type"))
            if kind in ("thinking", "reasoning"):
                builder.thinking(v.first_string(block, "thinking", "text") or "")
            elif kind in CALLS:
                if v.string(block.get("id")) not in known:
                    self._call(builder, block)
            else:
                builder.text(v.block_text(one))
        for call in calls:
            self._call(builder, call)
        if function := v.mapping(message.get("function_call")):
            self._call(builder, function)
        if isinstance(message.get("usage"), dict):
            builder.used(f"{place.line}.{place.part}", usage_of(message["usage"]))
        builder.stopped(v.first_string(message, "stop_reason", "finish_reason"))

    def _call(self, builder: TurnBuilder, call: Json) -> None:
        function = v.mapping(call.get("function"))
        call_id = v.first_string(call, "id", "call_id", "tool_call_id")
        name = v.first_string(call, "name", "tool", "tool_name") or v.first_string(function, "name")
        given = next((call[key] for key in ("arguments", "input", "args") if call.get(key) is not None), None)
        builder.call(call_id, name, v.arguments(given if given is not None else function.get("arguments")))
        waiting = self._results.get(call_id or "")
        if waiting and call_id is not None:
            output, status, time = waiting.pop(0)
            builder.result(call_id, output, status, time)


def usage_of(usage: Json) -> Usage:
    """Tokens in whatever words: Anthropic's, OpenAI's or Agenix's."""
    cached = v.count(v.mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    whole = v.count(usage.get("input_tokens")) or max(0, v.count(usage.get("prompt_tokens")) - cached)
    return Usage(
        input_tokens=whole,
        output_tokens=_first(usage, "output_tokens", "completion_tokens"),
        cache_read_tokens=_first(usage, "cache_read_input_tokens", "cache_read_tokens") or cached,
        cache_write_tokens=_first(usage, "cache_creation_input_tokens", "cache_write_tokens"),
    )


def _first(usage: Json, *names: str) -> int:
    return next((found for name in names if (found := v.count(usage.get(name)))), 0)


def _calls_in(message: Json) -> Iterator[str]:
    blocks = [block for block in v.mappings(message.get("content")) if v.string(block.get("type")) in CALLS]
    for call in (*v.mappings(message.get("tool_calls")), *blocks):
        if call_id := v.first_string(call, "id", "call_id", "tool_call_id"):
            yield call_id


def _is_result(block: object) -> bool:
    return isinstance(block, dict) and v.string(block.get("type")) in RESULTS


def _results_in(message: Json) -> Iterator[tuple[str, str, ToolStatus]]:
    """Call id, output and status of each result in a message; the id is empty when it has none."""
    if message.get("role") in ("tool", "function"):
        call_id = v.first_string(message, "tool_call_id", "call_id", "id") or ""
        blocks = [block for block in v.mappings(message.get("content")) if _is_result(block)]
        if not blocks:
            yield call_id, v.block_text(message.get("content")), _status(message)
    else:
        blocks = [block for block in v.mappings(message.get("content")) if _is_result(block)]
    for block in blocks:
        own = v.first_string(block, "tool_use_id", "tool_call_id", "toolUseId", "call_id", "id") or ""
        output = next((block[key] for key in ("content", "output", "result") if block.get(key) is not None), None)
        yield own, v.block_text(output), _status(block)


def _status(result: Json) -> ToolStatus:
    failed = result.get("is_error") is True or result.get("isError") is True or result.get("success") is False
    return "failed" if failed else "completed"
