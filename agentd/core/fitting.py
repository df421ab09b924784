"""What fits into a model's window, by estimate: pure arithmetic over texts and over the steps of a conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agentd.core.exchange import (
    Block,
    Message,
    RedactedBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

T = TypeVar("T")
CHARACTERS_A_TOKEN = 3.2
CUT = "\n[… {count} characters left out, to fit the model's window …]\n"
MESSAGE_COST = 8
"""Tokens that a message takes beside its blocks, on the safe side."""
BLOCK_COST = 6
LEFT_OUT = "[Earlier steps of this turn are left out, to fit the model's window.]"
SMALLEST_CUT = 48
"""Tokens. What is cut further says nothing; then whole steps go."""


@dataclass(frozen=True, slots=True)
class Step:
    """A prompt with its context, or a round: what the model said, and what its tools answered."""

    context: tuple[Block, ...] = ()
    prompt: tuple[Block, ...] = ()
    said: tuple[Block, ...] = ()
    results: tuple[Block, ...] = ()

    def messages(self) -> list[Message]:
        """The step as the Messages API has it."""
        asked = (*self.context, *self.prompt)
        spoken = [("user", asked), ("assistant", self.said), ("user", self.results)]
        return [Message(role, blocks) for role, blocks in spoken if blocks]  # type: ignore[arg-type]


def estimate_tokens(text: str) -> int:
    """Tokens of a text, on the safe side: English prose has about 4 characters a token, code fewer.

    Quotes, backslashes and line ends count twice, as they seldom share a token. Of other scripts, half the bytes
    of UTF-8: 1 for ``é``, 1.5 for a Chinese character, 2 for an emoji.
    """
    doubled = text.count("\n") + text.count('"') + text.count("\\") + text.count("\t")
    if text.isascii():
        return int((len(text) + doubled) / CHARACTERS_A_TOKEN) + 1
    ascii_length = len(text.encode("ascii", "ignore"))
    foreign_bytes = len(text.encode("utf-8", "replace")) - ascii_length
    return int((ascii_length + doubled) / CHARACTERS_A_TOKEN) + max(foreign_bytes // 2, len(text) - ascii_length) + 1


def cut_middle(text: str, limit: int) -> str:
    """The text's beginning and end, ``limit`` characters in all besides the note of what is missing."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    return text[:head] + CUT.format(count=len(text) - limit) + (text[-tail:] if tail else "")


def cut_to_tokens(text: str, tokens: int) -> str:
    """The text, without its middle if that is what it takes to be within ``tokens``; at least one character of it."""
    estimate = estimate_tokens(text)
    if estimate <= tokens:
        return text
    limit = len(text) * tokens // estimate
    while limit > len(CUT) // 2:
        cut = cut_middle(text, limit)
        if estimate_tokens(cut) <= tokens:
            return cut
        limit = limit * 7 // 8
    bare = text.strip() or text
    limit = max(1, min(limit, len(bare)))
    while limit > 1 and estimate_tokens(bare[:limit]) > tokens:
        limit //= 2
    return bare[:limit]


def fit_texts(texts: Sequence[str], budget: int) -> list[str]:
    """The texts within ``budget`` tokens in all: the longest lose their middle first, then the last ones go."""
    costs = [estimate_tokens(text) + BLOCK_COST for text in texts]
    if sum(costs) <= budget:
        return list(texts)
    kept = list(texts[: max(0, budget // SMALLEST_CUT)])
    share = largest(budget, lambda cap: sum(min(cap, cost) for cost in costs[: len(kept)]) <= budget)
    return [cut_to_tokens(text, share - BLOCK_COST) for text in kept]


def fit_turns(turns: Sequence[T], costs: Sequence[int], budget: int) -> list[T]:
    """The newest of ``turns`` whose costs fit ``budget``, without a gap."""
    kept: list[T] = []
    for turn, cost in zip(reversed(turns), reversed(costs), strict=True):
        budget -= cost
        if budget < 0:
            break
        kept.append(turn)
    return kept[::-1]


def fit_steps(steps: Sequence[Step], budget: int) -> list[Step]:
    """A turn within ``budget`` tokens (100 are enough for any). What gives way, in this order: the middle of long
    texts and arguments, thinking, the oldest rounds, context, prompts between the first and the last, prompts' middle.
    """
    if cost(steps) <= budget:
        return list(steps)
    for candidate in (list(steps), [_without_thinking(step) for step in steps]):
        if cost(_shortened(candidate, SMALLEST_CUT, budget)) <= budget:
            return _as_long_as_it_fits(candidate, budget)
    fewer = _without_oldest_rounds(candidate, budget)
    if cost(_shortened(fewer, SMALLEST_CUT, budget)) <= budget:
        return _as_long_as_it_fits(fewer, budget)
    bare = [replace(step, context=()) for step in steps if step.prompt]
    if cost(_shortened(bare, SMALLEST_CUT, budget)) > budget:
        bare = [bare[0], bare[-1]] if len(bare) > 1 else bare
    return _as_long_as_it_fits(bare, budget)


def _without_oldest_rounds(steps: Sequence[Step], budget: int) -> list[Step]:
    """As few rounds fewer as it takes, with a word in their place."""
    note = Step(said=(TextBlock(LEFT_OUT),))
    small = _shortened(steps, SMALLEST_CUT, budget)
    excess = cost(small) - budget + cost([note])
    kept: list[Step] = []
    for step, short in zip(steps, small, strict=True):
        if step.said and excess > 0:
            excess -= cost([short])
            kept += [note] if note not in kept else []
        else:
            kept.append(step)
    return kept


def cost(steps: Sequence[Step]) -> int:
    """Tokens of these steps, by estimate."""
    return sum(message_cost(message) for step in steps for message in step.messages())


def message_cost(message: Message) -> int:
    """Tokens of a message, by estimate."""
    return MESSAGE_COST + sum(block_cost(block) for block in message.blocks)


def block_cost(block: Block) -> int:
    """Tokens of a block, by estimate."""
    match block:
        case TextBlock(text):
            return BLOCK_COST + estimate_tokens(text)
        case ThinkingBlock(text, signature):
            return BLOCK_COST + estimate_tokens(text) + estimate_tokens(signature)
        case ToolResultBlock(call_id, text):
            return 2 * BLOCK_COST + estimate_tokens(call_id) + estimate_tokens(text)
        case ToolUseBlock(call_id, name, arguments):
            return 2 * BLOCK_COST + estimate_tokens(call_id) + estimate_tokens(name) + estimate_tokens(str(arguments))
        case RedactedBlock(data):
            return BLOCK_COST + estimate_tokens(data)


def largest(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``limit`` that fits, 0 if none does; smaller ones fit wherever a larger one does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _as_long_as_it_fits(steps: Sequence[Step], budget: int) -> list[Step]:
    """Texts cut no more than they must be. Cutting is costly, so the cap is tried in steps of a quarter."""
    cap = budget
    while cap > SMALLEST_CUT // 4:
        short = _shortened(steps, cap, budget)
        if cost(short) <= budget:
            return short
        cap = cap * 3 // 4
    return _shortened(steps, 1, 0)


def _shortened(steps: Sequence[Step], cap: int, budget: int) -> list[Step]:
    """Every text within ``cap`` tokens; what a person typed gives way last, within half of ``budget``."""
    prompts = sum(len(step.prompt) for step in steps)
    typed = max(cap, budget // 2 // max(1, prompts) - MESSAGE_COST - BLOCK_COST)
    return [
        replace(
            step,
            context=tuple(_cut(block, cap) for block in step.context),
            prompt=tuple(_cut(block, typed) for block in step.prompt),
            said=tuple(_cut(block, cap) for block in step.said),
            results=tuple(_cut(block, cap) for block in step.results),
        )
        for step in steps
    ]


def _cut(block: Block, cap: int) -> Block:
    if isinstance(block, TextBlock | ToolResultBlock):
        return replace(block, text=cut_to_tokens(block.text, cap))
    if isinstance(block, ToolUseBlock) and estimate_tokens(str(block.input)) > cap:
        short = {key: _cut_value(value, cap) for key, value in block.input.items()}
        return replace(block, input=short if estimate_tokens(str(short)) <= 2 * cap else {})
    return block


def _cut_value(value: Any, cap: int) -> Any:
    if isinstance(value, str):
        return cut_to_tokens(value, cap)
    if isinstance(value, list):
        return [_cut_value(one, cap) for one in value]
    if isinstance(value, dict):
        return {key: _cut_value(one, cap) for key, one in value.items()}
    return value


def _without_thinking(step: Step) -> Step:
    return replace(step, said=without_thinking(step.said))


def without_thinking(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks but for thinking, which cannot be shortened: its seal would not fit."""
    return tuple(block for block in blocks if not isinstance(block, ThinkingBlock | RedactedBlock))
