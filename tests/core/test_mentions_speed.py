"""A prompt is read in a time that grows with its length and no faster, whatever it is made of."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.limits import PROMPT_LIMIT, check_prompt
from agentd.core.mentions import SEARCHED, Mention, _without_code, mentions
from agentd.errors import TooLarge

CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z)|(?<!`)(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
"""What is code, said shortly; it takes quadratic time."""


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from([*"```~~a \n@"])))
def test_code_is_what_the_expression_says(prompt: str) -> None:
    blanked = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), prompt)
    assert _without_code(prompt).split() == blanked.split()
    assert _without_code(prompt).count("\n") == prompt.count("\n")


def ticks(length: int) -> str:
    """Runs of 1, 2, 3 … backticks: none closes another."""
    return "x".join("`" * number for number in range(1, int((2 * length) ** 0.5)))


WORST: dict[str, Callable[[int], str]] = {
    "signs": lambda length: "@a" + "!" * length,
    "brackets": lambda length: "@" + "[" * (length // 2) + "]" * length,
    "runs of backticks": ticks,
    "backticks apart": lambda length: "` `` " * (length // 5),
    "mentions": lambda length: "@a " * (length // 3),
    "open quotes": lambda length: '@"' * (length // 2),
    "fences": lambda length: "```\n" * (length // 4),
}


@pytest.mark.parametrize("kind", WORST)
def test_twice_as_long_takes_about_twice_as_long(kind: str) -> None:
    def took(length: int) -> float:
        prompt = WORST[kind](length)
        times = []
        for _ in range(3):
            began = time.thread_time()
            mentions(prompt)
            times.append(time.thread_time() - began)
        return min(times)

    # Sixteen times the length: quadratic would be 256 times the time.
    assert took(SEARCHED - 10) < 80 * max(took(SEARCHED // 16), 0.0002)


def test_only_the_beginning_of_a_very_long_prompt_is_searched() -> None:
    filler = " " * (SEARCHED - 14)
    prompt = f"@first.py {filler}@half.py @later.py"
    assert mentions(prompt) == (Mention("first.py", sure=True),)
    assert [mention.path for mention in mentions(prompt[:SEARCHED])] == ["first.py", "hal"]
    assert [mention.path for mention in mentions("@a.py" + " " * SEARCHED + "@b.py")] == ["a.py"]


def test_a_prompt_has_a_limit_that_is_told() -> None:
    check_prompt("x" * PROMPT_LIMIT)
    with pytest.raises(TooLarge, match=r"has 1,000,001 characters; the limit is 1,000,000\. Put it in a file .* @path"):
        check_prompt("x" * (PROMPT_LIMIT + 1))
