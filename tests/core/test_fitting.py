"""Estimating and cutting: never above what was allowed, never nothing of something."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.fitting import cost, cut_middle, cut_to_tokens, estimate_tokens, fit_steps, fit_texts, fit_turns
from agentd.core.history import _steps
from tests.core.conversations import repeated, turns


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("", 1, 1),
        ("The quick brown fox jumps over the lazy dog. " * 100, 1000, 1500),
        ("日本語" * 100, 300, 500),
        ("🎉" * 100, 200, 300),
        ('"\\\n' * 100, 180, 200),
        ("\ud800" * 10, 10, 20),
    ],
)
def test_an_estimate_is_on_the_safe_side(text: str, at_least: int, at_most: int) -> None:
    assert at_least <= estimate_tokens(text) <= at_most


def test_the_middle_goes() -> None:
    assert cut_middle("abcdef", 6) == "abcdef"
    cut = cut_middle("a" * 50 + "b" * 100 + "c" * 50, 60)
    assert cut.startswith("a" * 40 + "\n[… 140 characters")
    assert cut.endswith("c" * 20)


@settings(deadline=None)
@given(st.one_of(st.text(min_size=1), repeated), st.integers(7, 400))
def test_a_cut_text_is_within_its_tokens_and_not_empty(text: str, tokens: int) -> None:
    cut = cut_to_tokens(text, tokens)
    assert cut
    assert estimate_tokens(cut) <= tokens
    assert cut.strip() or not text.strip()


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(), repeated), max_size=8), st.integers(0, 2000))
def test_texts_fit_together(texts: list[str], budget: int) -> None:
    fitted = fit_texts(texts, budget)
    assert sum(estimate_tokens(text) + 6 for text in fitted) <= budget or not fitted
    assert len(fitted) <= len(texts)


def test_a_long_text_gives_way_to_short_ones() -> None:
    fitted = fit_texts(["short", "long " * 5000, "brief"], 300)
    assert (fitted[0], fitted[2]) == ("short", "brief")
    assert fitted[1].startswith("long long")


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), max_size=8), st.integers(-5, 60))
def test_the_newest_turns_stay_without_a_gap(costs: list[int], budget: int) -> None:
    every = list(range(len(costs)))
    kept = fit_turns(every, costs, budget)
    assert kept == every[len(every) - len(kept) :]
    assert sum(costs[len(every) - len(kept) :]) <= max(0, budget)
    assert len(kept) == len(every) or sum(costs[len(every) - len(kept) - 1 :]) > budget


@settings(deadline=None)
@given(turns(1), st.integers(100, 3000), st.booleans())
def test_any_turn_fits_a_hundred_tokens(turn: object, budget: int, tools: bool) -> None:
    steps = _steps(turn, tools=tools, thinking=True)  # type: ignore[arg-type]
    assert cost(fit_steps(steps, budget)) <= budget
