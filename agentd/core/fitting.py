"""What fits into a model's window, by estimate: pure arithmetic over texts."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
CHARACTERS_A_TOKEN = 3.2
CUT = "\n[… {count} characters left out, to fit the model's window …]\n"


def estimate_tokens(text: str) -> int:
    """Tokens of a text, on the safe side: English prose has about 4 characters a token, code and CJK fewer.

    Non-ASCII characters are counted as a token each.
    """
    if text.isascii():
        return int(len(text) / CHARACTERS_A_TOKEN) + 1
    foreign = sum(1 for char in text if ord(char) > 127)
    return int((len(text) - foreign) / CHARACTERS_A_TOKEN) + foreign + 1


def cut_middle(text: str, limit: int) -> str:
    """The text's beginning and end, ``limit`` characters in all besides the note of what is missing."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    return text[:head] + CUT.format(count=len(text) - limit) + (text[-tail:] if tail else "")


def fit_turns(turns: Sequence[T], costs: Sequence[int], budget: int) -> list[T]:
    """The newest of ``turns`` whose costs fit ``budget``, without a gap."""
    kept: list[T] = []
    for turn, cost in zip(reversed(turns), reversed(costs), strict=True):
        budget -= cost
        if budget < 0:
            break
        kept.append(turn)
    return kept[::-1]
