"""A conversation as messages of role and content, the shape of other systems' APIs and files: to turns and back.

Pure, and exact: messages that became turns come back as they were given, whatever else was in them. System messages
belong to no turn, and come first.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentd.errors import InvalidParams
from agentd.protocol import Item, Turn, Usage

Message = dict[str, Any]
"""``role`` (system, user, assistant, tool) and ``content`` (text, blocks or None), ``tool_calls`` and the like."""

ROLES = ("system", "developer", "user", "assistant", "tool")
_SYSTEM = ("system", "developer")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def check_messages(messages: Sequence[Any]) -> list[Message]:
    """The messages, those of the system first. Raises InvalidParams that names the first wrong one, and why."""
    checked: list[Message] = []
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise InvalidParams(f"messages.{place}: is no object with role and content")
        if message.get("role") not in ROLES:
            raise InvalidParams(f"messages.{place}.role: must be one of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str | list | None):
            raise InvalidParams(f"messages.{place}.content: must be text or a list of blocks")
        if not isinstance(message.get("tool_calls"), list | None):
            raise InvalidParams(f"messages.{place}.tool_calls: must be a list")
        checked.append(dict(message))
    return sorted(checked, key=lambda message: message["role"] not in _SYSTEM)


def system_texts(messages: Sequence[Message]) -> tuple[str, ...]:
    """What the system messages say, in order."""
    return tuple(_text(message.get("content")) for message in messages if message["role"] in _SYSTEM)


def to_turns(messages: Sequence[Message], first: int, time: str, counted: int = 0) -> tuple[Turn, ...]:
    """The turns of checked messages, numbered from ``first``: each user message begins one.

    ``time`` (RFC 3339 UTC) is of messages that have none; ``counted`` is how many messages there were before.
    """
    turns: list[Turn] = []
    spoken = [message for message in messages if message["role"] not in _SYSTEM]
    counted += len(messages) - len(spoken)
    for said in _split(spoken):
        counted += len(said)
        turns.append(_turn(said, first + len(turns), time, counted))
    return tuple(turns)


def to_messages(
    system: Sequence[str], summary: str | None, turns: Sequence[Turn], *, details: bool = False
) -> list[Message]:
    """What counts of a conversation, as messages. A summary of compacted turns is a system message.

    ``details``: messages that were not given by a caller have ``timestamp``, the model's also ``model`` and ``usage``
    (prompt_tokens, completion_tokens, total_tokens), and its content as blocks.
    """
    texts = [*system, *([summary] if summary else [])]
    told: list[Message] = [{"role": "system", "content": text} for text in texts]
    for turn in turns:
        told += turn_messages(turn, details=details)
    return told


def turn_messages(turn: Turn, *, details: bool = False) -> list[Message]:
    """The messages of one turn; those that a caller gave are as they were given. ``details`` as in ``to_messages``."""
    whole = _given(turn.items[0]).get("messages") if turn.items else None
    if isinstance(whole, list):
        return [dict(message) for message in whole]
    told = [_as_given(built.message, built.item, built.result) for built in _built(turn.items)]
    return _with_details(turn, told) if details else told


def reply_text(turn: Turn) -> str:
    """What the model said in a turn, after its last tool call: the answer."""
    text: list[str] = []
    for item in turn.items:
        if item.kind == "tool":
            text.clear()
        elif item.kind == "text":
            text.append(item.text or "")
    return "".join(text)


@dataclass(slots=True)
class _Built:
    """A message, and the item that keeps what else its caller gave (``result``: the message is a tool's result)."""

    message: Message
    item: Item
    result: bool = False


def _split(spoken: Sequence[Message]) -> Iterator[list[Message]]:
    """A user message begins a turn, unless it only brings results of tools."""
    said: list[Message] = []
    for message in spoken:
        if said and message["role"] == "user" and not _only_results(message):
            yield said
            said = []
        said.append(message)
    if said:
        yield said


def _turn(said: list[Message], number: int, time: str, counted: int) -> Turn:
    items = _Items(number)
    for message in said:
        items.add(message)
    kept = _keeping(items.items or [items.item("notice", text="")], said)
    times = [message["timestamp"] for message in said if _is_time(message.get("timestamp"))]
    models = [message["model"] for message in said if isinstance(message.get("model"), str)]
    return Turn(
        number=number,
        status="completed",
        started=times[0] if times else time,
        ended=times[-1] if times else time,
        items=tuple(kept),
        usage=_usage(said),
        model=models[-1] if models else None,
        messages=counted,
    )


@dataclass(slots=True)
class _Items:
    """The items of a turn that is being built."""

    turn: int
    items: list[Item] = field(default_factory=list)

    def add(self, message: Message) -> None:
        role, content = message["role"], message.get("content")
        if role == "tool":
            self._answer(message.get("tool_call_id"), message.get("name"), _text(content), message.get("is_error"))
            return
        blocks = [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []
        for block in blocks:
            if block.get("type") == "tool_result":
                answer = _text(block.get("content"))
                self._answer(block.get("tool_use_id"), None, answer, block.get("is_error"))
        text = _text(content)
        if role == "user":
            if not _only_results(message):
                self.items.append(self.item("prompt", text=text))
            return
        if text:
            self.items.append(self.item("text", text=text))
        called = [block for block in blocks if block.get("type") == "tool_use"]
        for call in [*(message.get("tool_calls") or ()), *called]:
            self._call(call)

    def item(self, kind: str, **fields: Any) -> Item:
        return Item.model_validate({"id": f"{self.turn}.{len(self.items) + 1}", "kind": kind, **fields})

    def _call(self, call: Any) -> None:
        call = call if isinstance(call, Mapping) else {}
        function = call.get("function")
        named = function if isinstance(function, Mapping) else call
        arguments = named.get("arguments", named.get("input"))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                arguments = {"arguments": arguments}
        given = arguments if isinstance(arguments, Mapping) else {}
        name, call_id = _words(named.get("name")), _words(call.get("id"))
        self.items.append(self.item("tool", name=name, callId=call_id, input=given, status="interrupted"))

    def _answer(self, call_id: Any, name: Any, output: str, failed: Any) -> None:
        status = "failed" if failed is True else "completed"
        for place in range(len(self.items) - 1, -1, -1):
            item = self.items[place]
            if item.kind == "tool" and item.output is None and item.call_id == _words(call_id):
                self.items[place] = item.model_copy(update={"output": output, "status": status})
                return
        # The call itself is not among the messages: the result is kept all the same.
        told = self.item("tool", name=_words(name), callId=_words(call_id), input={}, status=status, output=output)
        self.items.append(told)


def _built(items: Sequence[Item]) -> list[_Built]:
    """Items as messages: a stretch of reply with the tools that it called is one, each result one more."""
    built: list[_Built] = []
    results: list[_Built] = []
    reply: Message | None = None
    for item in items:
        if item.kind not in ("prompt", "text", "tool"):
            continue
        if item.kind == "prompt" or (item.kind == "text" and results):
            built += results
            results, reply = [], None
        if item.kind == "prompt":
            built.append(_Built({"role": "user", "content": item.text or ""}, item))
            continue
        if reply is None:
            reply = {"role": "assistant", "content": ""}
            built.append(_Built(reply, item))
        if item.kind == "text":
            reply["content"] += item.text or ""
            continue
        call = {"id": item.call_id or item.id, "name": item.name or "", "arguments": item.input or {}}
        reply.setdefault("tool_calls", []).append(call)
        if item.output is not None:
            result: Message = {"role": "tool", "tool_call_id": call["id"], "name": call["name"], "content": item.output}
            if item.status == "failed":
                result["is_error"] = True
            results.append(_Built(result, item, result=True))
    return built + results


def _keeping(items: list[Item], said: list[Message]) -> list[Item]:
    """The items, with what they do not say of the messages by themselves kept beside them."""
    built = _built(items)
    if len(built) != len(said):
        return [_with(items[0], "messages", said), *items[1:]]
    kept = {item.id: item for item in items}
    for one, message in zip(built, said, strict=True):
        more = {key: value for key, value in message.items() if key not in one.message or one.message[key] != value}
        without = [key for key in one.message if key not in message]
        if more or without:
            differs = {"fields": more} | ({"without": without} if without else {})
            kept[one.item.id] = _with(kept[one.item.id], "result" if one.result else "message", differs)
    return list(kept.values())


def _with(item: Item, key: str, value: Any) -> Item:
    return Item.model_validate({**item.dump(), "given": {**_given(item), key: value}})


def _given(item: Item) -> Mapping[str, Any]:
    given = (item.model_extra or {}).get("given")
    return given if isinstance(given, Mapping) else {}


def _as_given(message: Message, item: Item, result: bool) -> Message:
    differs = _given(item).get("result" if result else "message")
    if not isinstance(differs, Mapping):
        return message
    fields, without = differs.get("fields"), differs.get("without")
    kept = {key: value for key, value in message.items() if not isinstance(without, list) or key not in without}
    return kept | (dict(fields) if isinstance(fields, Mapping) else {})


def _with_details(turn: Turn, messages: list[Message]) -> list[Message]:
    if turn.model is None or any(_given(item) for item in turn.items):
        return messages  # a caller gave them
    last = max((place for place, message in enumerate(messages) if message["role"] == "assistant"), default=None)
    told = []
    for place, message in enumerate(messages):
        more: Message = {"timestamp": turn.started if place == 0 else turn.ended or turn.started}
        if message["role"] == "assistant":
            more["content"] = [{"type": "text", "text": message["content"]}]
            more["model"] = turn.model
        if place == last and turn.usage is not None:
            asked, answered = turn.usage.input_tokens, turn.usage.output_tokens
            total = asked + answered
            more["usage"] = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": total}
        told.append(message | {key: value for key, value in more.items() if value is not None})
    return told


def _usage(said: list[Message]) -> Usage | None:
    asked = answered = 0
    for message in said:
        usage = message.get("usage")
        if isinstance(usage, Mapping):
            asked += _count(usage.get("prompt_tokens", usage.get("input_tokens")))
            answered += _count(usage.get("completion_tokens", usage.get("output_tokens")))
    return Usage(input_tokens=asked, output_tokens=answered) if asked or answered else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _only_results(message: Message) -> bool:
    content = message.get("content")
    if not isinstance(content, list) or not content:
        return False
    return all(isinstance(block, Mapping) and block.get("type") == "tool_result" for block in content)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(text for block in content if (text := _block_text(block)) is not None)


def _block_text(block: Any) -> str | None:
    if isinstance(block, str):
        return block
    if not isinstance(block, Mapping) or block.get("type") in ("tool_use", "tool_result", "thinking"):
        return None
    text = block.get("text")
    return text if isinstance(text, str) else f"[{_words(block.get('type')) or 'content'}]"


def _words(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _UTC.fullmatch(value) is not None
