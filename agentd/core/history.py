"""Builds a model request out of any conversation: a total function. No session can become unusable.

Whatever a transcript holds (interrupted tools, orphans, foreign ids, empty texts, two prompts in a row), the request
is one that the Messages API accepts: roles alternate, every tool call is answered right after it, no block is empty.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agentd.core.exchange import (
    Block,
    Message,
    ModelTraits,
    RedactedBlock,
    Request,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolSpec,
    ToolUseBlock,
)
from agentd.core.fitting import cut_middle, estimate_tokens, fit_turns
from agentd.protocol import ContextText, Item, Turn

FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
NOT_RUN = "This call was interrupted and has no result."


def build_request(
    traits: ModelTraits,
    earlier: Sequence[Turn],
    current: Turn,
    *,
    system: Sequence[str] = (),
    summary: str | None = None,
    tools: Sequence[ToolSpec] = (),
    max_tokens: int = 8192,
    thinking: int | None = None,
) -> Request:
    """The request that continues ``current`` (its prompt, and what its earlier rounds brought) after ``earlier``."""
    reply = min(max_tokens, traits.max_output)
    budget = traits.context_window - reply - _fixed_cost(system, summary, tools)
    current_messages = _turn_messages(current, traits, open_loop=True)
    current_messages = _within(current_messages, max(budget, traits.context_window // 4))
    budget -= sum(_cost(message) for message in current_messages)
    older = [_turn_messages(turn, traits, open_loop=False) for turn in earlier]
    kept = fit_turns(older, [sum(_cost(message) for message in messages) for messages in older], budget)
    if summary:
        kept = [[Message("user", (TextBlock(f"Summary of the conversation so far:\n{summary}"),))], *kept]
    messages = _joined([message for messages in [*kept, current_messages] for message in messages])
    messages = _unique_ids(messages)
    texts = [text for text in system if text.strip()]
    blocks = tuple(TextBlock(text, cache=traits.cache and text is texts[-1]) for text in texts)
    return Request(
        model=traits.id,
        messages=_with_cache_marks(messages) if traits.cache else messages,
        system=blocks,
        max_tokens=reply,
        tools=tuple(tools) if traits.tools else (),
        thinking=thinking if thinking and traits.thinking and thinking < reply else None,
    )


def prompt_text(item: Item, *, with_context: bool) -> str:
    """A prompt as the model reads it. Context is for its own turn only: later turns do without."""
    parts = [_context_text(entry) for entry in item.context or ()] if with_context else []
    return "\n\n".join([*parts, (item.text or "").strip()]).strip()


def _context_text(entry: ContextText) -> str:
    if entry.text is None:
        return f"[{entry.title}: {entry.problem or 'not available'}]"
    note = " (unsaved text from the editor)" if entry.unsaved else ""
    fence = "```"
    while fence in entry.text:
        fence += "`"
    return f"{entry.title}{note}:\n{fence}\n{entry.text}\n{fence}"


def _turn_messages(turn: Turn, traits: ModelTraits, *, open_loop: bool) -> list[Message]:
    """A turn's items as alternating messages. A round is what the model said up to and including its tool calls."""
    keep_thinking = open_loop and turn.model == traits.id
    messages: list[Message] = []
    said: list[Block] = []
    results: list[Block] = []

    def close_round() -> None:
        if said:
            messages.append(Message("assistant", tuple(said)))
        if results:
            messages.append(Message("user", tuple(results)))
        said.clear()
        results.clear()

    for item in turn.items:
        match item.kind:
            case "prompt":
                close_round()
                if text := prompt_text(item, with_context=open_loop):
                    messages.append(Message("user", (TextBlock(text),)))
            case "tool" if traits.tools:
                call, result = _tool_blocks(item)
                said.append(call)
                results.append(result)
            case "notice":
                continue
            case _:
                if results:
                    close_round()
                said.extend(_said(item, keep_thinking))
    close_round()
    return messages


def _said(item: Item, keep_thinking: bool) -> Iterable[Block]:
    if item.kind == "text" and (text := (item.text or "").rstrip()):
        yield TextBlock(text)
    elif item.kind == "tool":
        yield TextBlock(f"[I used {item.name or 'a tool'} and read: {(item.output or NOT_RUN).strip()[:2000]}]")
    elif keep_thinking and item.kind == "thinking" and item.signature and item.text is not None:
        yield ThinkingBlock(item.text, item.signature)
    elif keep_thinking and item.kind == "redacted" and item.data:
        yield RedactedBlock(item.data)


def _tool_blocks(item: Item) -> tuple[ToolUseBlock, ToolResultBlock]:
    call_id = FOREIGN.sub("_", item.call_id or "")[:64] or "call_" + item.id.replace(".", "_")
    name = FOREIGN.sub("_", item.name or "")[:128] or "unknown"
    answered = item.status in ("completed", "failed", "denied") and item.output is not None
    output = item.output if answered and (item.output or "").strip() else None
    text = output or ("(no output)" if answered else NOT_RUN)
    return (
        ToolUseBlock(call_id, name, dict(item.input or {})),
        ToolResultBlock(call_id, text, is_error=item.status != "completed"),
    )


def _joined(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Neighbours of one role become one message; what would stand before the first prompt is dropped.

    Results stay first in their message, as the API wants them, because they are always appended first.
    Thinking that is not at an assistant message's beginning or in an open tool loop never gets here.
    """
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, (*joined[-1].blocks, *message.blocks))
        elif joined or message.role == "user":
            joined.append(message)
    if not joined:
        joined.append(Message("user", (TextBlock("(continue)"),)))
    if joined[-1].role == "assistant" and not all(isinstance(block, TextBlock) for block in joined[-1].blocks[-1:]):
        joined.append(Message("user", (TextBlock("(continue)"),)))
    return tuple(joined)


def _unique_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A tool id is used once in a request; imported and forked turns may repeat one."""
    seen: set[str] = set()
    renamed: dict[str, str] = {}
    result: list[Message] = []
    for message in messages:
        blocks: list[Block] = []
        for block in message.blocks:
            if isinstance(block, ToolUseBlock):
                fresh = block.id
                while fresh in seen:
                    fresh = f"{block.id[:56]}_{len(seen)}"
                seen.add(fresh)
                renamed[block.id] = fresh
                blocks.append(replace(block, id=fresh))
            elif isinstance(block, ToolResultBlock):
                blocks.append(replace(block, id=renamed.get(block.id, block.id)))
            else:
                blocks.append(block)
        result.append(Message(message.role, tuple(blocks)))
    return tuple(result)


def _with_cache_marks(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Marks after the last two user messages: the next request finds this one's prefix in the cache."""
    users = [index for index, message in enumerate(messages) if message.role == "user"][-2:]
    marked = list(messages)
    for index in users:
        *head, last = marked[index].blocks
        if isinstance(last, TextBlock | ToolResultBlock):
            marked[index] = Message("user", (*head, replace(last, cache=True)))
    return tuple(marked)


def _within(messages: list[Message], budget: int) -> list[Message]:
    """The current turn always travels; if it alone is too long, its longest texts lose their middle."""
    excess = sum(_cost(message) for message in messages) - budget
    if excess <= 0:
        return messages
    total = max(1, sum(_cost(message) for message in messages))
    share = max(0.05, budget / total)
    return [Message(message.role, tuple(_shortened(block, share) for block in message.blocks)) for message in messages]


def _shortened(block: Block, share: float) -> Block:
    if isinstance(block, TextBlock | ToolResultBlock) and len(block.text) > 400:
        return replace(block, text=cut_middle(block.text, max(200, int(len(block.text) * share))))
    return block


def _cost(message: Message) -> int:
    return 4 + sum(_block_cost(block) for block in message.blocks)


def _block_cost(block: Block) -> int:
    match block:
        case TextBlock(text) | ThinkingBlock(text):
            return estimate_tokens(text)
        case ToolResultBlock(_, text):
            return 12 + estimate_tokens(text)
        case ToolUseBlock(_, name, arguments):
            return 16 + estimate_tokens(name) + estimate_tokens(str(arguments))
        case RedactedBlock(data):
            return estimate_tokens(data)


def _fixed_cost(system: Sequence[str], summary: str | None, tools: Sequence[ToolSpec]) -> int:
    texts = [*system, summary or "", *(f"{tool.name}{tool.description}{tool.schema}" for tool in tools)]
    return sum(estimate_tokens(text) for text in texts) + 16
