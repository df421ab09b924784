"""Builds a model request out of any conversation: a total function. No session can become unusable.

Whatever a transcript holds (interrupted tools, orphans, foreign ids, empty texts, two prompts in a row), the request
is one that the Messages API accepts: roles alternate, every tool call is answered right after it, no block is empty,
it ends with the user (newer models take no other end), and by estimate it is within the window.
"""

import re
from collections import deque
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
from agentd.core.fitting import (
    BLOCK_COST,
    MESSAGE_COST,
    Step,
    cost,
    cut_middle,
    cut_to_tokens,
    estimate_tokens,
    fit_steps,
    fit_texts,
    fit_turns,
    message_cost,
    without_thinking,
)
from agentd.protocol import ContextText, Item, Turn
from agentd.protocol.base import sound_json, sound_text

FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
NOT_RUN = "This call was interrupted and has no result."
NO_OUTPUT = "(no output)"
STOPPED = "(The turn ended here.)"
GO_ON = "(continue)"
SUMMARY = "Summary of the conversation so far:\n"
MARGIN = 48
"""Tokens kept free: room for ``GO_ON`` at both ends."""
LEAST_THINKING = 1024
"""Tokens: a smaller budget is refused."""
WORTH_CUTTING = 100
"""Tokens. With less room than this an older turn is left out rather than cut."""
LONGEST_TOLD = 2000
"""Characters of a tool's output for a model that has no tools."""


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
    """The request that continues ``current`` (its prompt, and what its earlier rounds brought) after ``earlier``.

    Of a window that is too small, tools get a third at most, then the system texts a half and the summary a sixth of
    what is left; the newest turns that fit go along without a gap, the oldest of them shortened.
    """
    reply = max(1, min(max_tokens, traits.max_output, traits.context_window // 2))
    room = traits.context_window - reply - MARGIN
    offered = tuple(tools) if traits.tools and _tools_cost(tools) <= room // 3 else ()
    budget = _thinking_budget(traits, thinking, reply)
    steps = _steps(current, tools=bool(offered), thinking=budget is not None and current.model == traits.id)
    turns = [_closed(_steps(turn, tools=bool(offered), thinking=False)) for turn in earlier]
    costs = [cost(turn) for turn in turns]

    room -= _tools_cost(offered)
    recap = cut_to_tokens(sound_text(summary.strip()), room // 6) if summary and summary.strip() else ""
    system_room = max(room // 2, room - room // 6 - cost(steps) - sum(costs))
    texts = fit_texts([sound_text(text) for text in system if text.strip()], system_room)
    room -= sum(estimate_tokens(text) + BLOCK_COST for text in texts)
    if recap:
        room -= estimate_tokens(SUMMARY + recap) + BLOCK_COST + MESSAGE_COST
    steps = fit_steps(steps, room)
    room -= cost(steps)
    kept = fit_turns(turns, costs, room)
    room -= sum(costs[len(turns) - len(kept) :])
    if len(kept) < len(turns) and room >= WORTH_CUTTING:
        # A short question about a long answer needs some of that answer.
        kept = [_closed(fit_steps(turns[-len(kept) - 1], room - WORTH_CUTTING // 4)), *kept]

    before = [Step(prompt=(TextBlock(SUMMARY + recap),))] if recap else []
    every = [*before, *(step for turn in kept for step in turn), *steps]
    messages = _unique_ids(_joined(every))
    if budget is not None and traits.thinking_first and not _opens_with_thinking(messages):
        budget = None
    if budget is None:
        messages = _unique_ids(_joined([replace(step, said=without_thinking(step.said)) for step in every]))
    return Request(
        model=traits.id,
        messages=_with_cache_marks(messages) if traits.cache else messages,
        system=tuple(TextBlock(text, traits.cache and number == len(texts)) for number, text in enumerate(texts, 1)),
        max_tokens=reply,
        tools=offered,
        thinking=budget,
    )


_TOLD = re.compile(r"(\d[\d,]{3,15}) tokens > (\d[\d,]{3,15})")


def window_told(refusal: str, asked: Request) -> int | None:
    """The window in which a request fits that was refused with "… 483765 tokens > 200000 …"; None: it does not say.

    In the tokens of our own estimate, which is another one than the model's.
    """
    told = _TOLD.search(refusal)
    sent, most = (int(number.replace(",", "")) for number in told.groups()) if told else (0, 0)
    if not 0 < most < sent:
        return None
    room = int(tokens_asked(asked) * most / sent * 0.95)
    return room + min(room, asked.max_tokens)


def tokens_asked(request: Request) -> int:
    """About the tokens of a request's own part: messages and system texts."""
    system = sum(estimate_tokens(block.text) + BLOCK_COST for block in request.system)
    return system + sum(message_cost(message) for message in request.messages)


def tokens_of(turn: Turn) -> int:
    """About the tokens that a turn takes of a window, on the safe side."""
    return cost(_steps(turn, tools=True, thinking=False))


def _thinking_budget(traits: ModelTraits, wanted: int | None, reply: int) -> int | None:
    """A budget leaves room for the reply: where it would not, it gets three quarters of it."""
    if not (wanted and traits.thinking):
        return None
    budget = wanted if wanted < reply else reply * 3 // 4
    return budget if budget >= LEAST_THINKING else None


def _tools_cost(tools: Sequence[ToolSpec]) -> int:
    return sum(estimate_tokens(f"{tool.name}{tool.description}{tool.schema}") + 2 * BLOCK_COST for tool in tools)


def _steps(turn: Turn, *, tools: bool, thinking: bool) -> list[Step]:
    """A turn's items as prompts and rounds. A round is what the model said up to and including its tool calls.

    Where no tools are offered, calls are told as text: some endpoints refuse calls of tools that they don't know of.
    """
    steps: list[Step] = []
    said: list[Block] = []
    results: list[Block] = []

    def close_round() -> None:
        while said and isinstance(said[-1], ThinkingBlock | RedactedBlock):
            said.pop()  # no message may end with thinking: it was cut off there
        if said:
            steps.append(Step(said=tuple(said), results=tuple(results)))
        said.clear()
        results.clear()

    for item in turn.items:
        match item.kind:
            case "prompt":
                close_round()
                if step := _prompt(item):
                    steps.append(step)
            case "tool" if tools:
                call, result = _tool_blocks(item)
                said.append(call)
                results.append(result)
            case "notice":
                continue
            case _:
                if results:
                    close_round()
                said.extend(_said(item, thinking))
    close_round()
    return steps


def _closed(steps: Sequence[Step]) -> list[Step]:
    """The steps of a turn that is over: without context, and with its last tool calls followed by a word of the model,
    so that the next prompt does not look like a part of a tool loop that goes on."""
    closed = [replace(step, context=()) for step in steps if step.prompt or step.said]
    if closed and closed[-1].results:
        closed.append(Step(said=(TextBlock(STOPPED),)))
    return closed


def _prompt(item: Item) -> Step | None:
    """Context is for its own turn only: later turns do without."""
    context = tuple(TextBlock(_context_text(entry)) for entry in item.context or ())
    text = sound_text((item.text or "").strip())
    if not text and not context:
        return None
    return Step(context=context, prompt=(TextBlock(text),) if text else ())


def _context_text(entry: ContextText) -> str:
    title = sound_text(entry.title)
    if entry.text is None:
        return f"[{title}: {sound_text(entry.problem or 'not available')}]"
    note = " (unsaved text from the editor)" if entry.unsaved else ""
    fence = "```"
    while fence in entry.text:
        fence += "`"
    return f"{title}{note}:\n{fence}\n{sound_text(entry.text)}\n{fence}"


def _said(item: Item, thinking: bool) -> Iterable[Block]:
    if item.kind == "text" and (text := sound_text(item.text or "").rstrip()):
        yield TextBlock(text)
    elif item.kind == "tool":
        name = sound_text(item.name or "").strip() or "a tool"
        yield TextBlock(f"[I used {name} and read: {cut_middle(_outcome(item).strip(), LONGEST_TOLD)}]")
    elif thinking and item.kind == "thinking" and item.signature and item.text is not None:
        # Sealed thinking goes back as it came or not at all, so it is never mended.
        if sound_text(item.text + item.signature) == item.text + item.signature:
            yield ThinkingBlock(item.text, item.signature)
    elif thinking and item.kind == "redacted" and item.data and item.data.isascii():
        yield RedactedBlock(item.data)


def _tool_blocks(item: Item) -> tuple[ToolUseBlock, ToolResultBlock]:
    call_id = FOREIGN.sub("_", item.call_id or "")[:64] or "call_" + FOREIGN.sub("_", item.id)[:56]
    name = FOREIGN.sub("_", item.name or "")[:128] or "unknown"
    arguments = sound_json(dict(item.input or {}))
    return (
        ToolUseBlock(call_id, name, arguments if isinstance(arguments, dict) else {}),
        ToolResultBlock(call_id, _outcome(item), is_error=item.status != "completed"),
    )


def _outcome(item: Item) -> str:
    """What a tool brought, in words where it brought nothing."""
    if item.status not in ("completed", "failed", "denied"):
        return NOT_RUN
    output = sound_text(item.output or "")
    if output.strip():
        return output
    return NO_OUTPUT if item.output is not None or item.status == "completed" else NOT_RUN


def _joined(steps: Sequence[Step]) -> list[Message]:
    """The steps as messages in alternation, from the user to the user. Neighbours of one role become one message.

    Results stay first in their message, as the API wants them: what comes before them is always the model's.
    """
    go_on = Message("user", (TextBlock(GO_ON),))
    joined: list[Message] = []
    for message in (message for step in steps for message in step.messages()):
        if not joined and message.role == "assistant":
            joined.append(go_on)
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, (*joined[-1].blocks, *message.blocks))
        else:
            joined.append(message)
    if not joined or joined[-1].role == "assistant":
        joined.append(go_on)
    return joined


def _unique_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A tool id is used once in a request; imported and forked turns may repeat one, even within one round.

    Calls and their results stand in the same order, so each result takes the id that its call was given.
    """
    seen: set[str] = set()
    waiting: deque[str] = deque()
    result: list[Message] = []
    for message in messages:
        blocks: list[Block] = []
        for block in message.blocks:
            if isinstance(block, ToolUseBlock):
                fresh, count = block.id, 1
                while fresh in seen:
                    count += 1
                    fresh = f"{block.id[:52]}_{count}"
                seen.add(fresh)
                waiting.append(fresh)
                blocks.append(replace(block, id=fresh))
            elif isinstance(block, ToolResultBlock):
                blocks.append(replace(block, id=waiting.popleft()))
            else:
                blocks.append(block)
        result.append(Message(message.role, tuple(blocks)))
    return tuple(result)


def _opens_with_thinking(messages: Sequence[Message]) -> bool:
    """Whether the model's part that tools still work for begins with thinking, or no tool loop is open."""
    number = len(messages) - 1
    if not _has_results(messages[number]):
        return True
    while number > 1 and _has_results(messages[number]):
        number -= 2
    return isinstance(messages[number + 1].blocks[0], ThinkingBlock | RedactedBlock)


def _has_results(message: Message) -> bool:
    return any(isinstance(block, ToolResultBlock) for block in message.blocks)


def _with_cache_marks(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Marks after the last two user messages: the next request finds this one's prefix in the cache."""
    users = [index for index, message in enumerate(messages) if message.role == "user"][-2:]
    marked = list(messages)
    for index in users:
        *head, last = marked[index].blocks
        if isinstance(last, TextBlock | ToolResultBlock):
            marked[index] = Message("user", (*head, replace(last, cache=True)))
    return tuple(marked)
