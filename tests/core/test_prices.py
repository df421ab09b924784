"""What tokens cost: by the user's table, else the public one, and never a guess."""

import pytest

from agentd.core.prices import PRICES, PriceTable, cost
from agentd.models.catalog import KNOWN
from agentd.protocol import Price, Usage

MILLION = Usage(
    input_tokens=1_000_000, output_tokens=1_000_000, cache_read_tokens=1_000_000, cache_write_tokens=1_000_000
)


def test_all_four_kinds_of_tokens_cost() -> None:
    assert cost(MILLION, PRICES["claude-opus-4-8"]) == pytest.approx(5 + 25 + 6.25 + 0.5)
    assert cost(Usage(), PRICES["claude-opus-4-8"]) == 0


def test_cache_prices_follow_the_input_price_unless_given() -> None:
    assert cost(MILLION, Price(input=10, output=0)) == pytest.approx(10 + 12.5 + 1)
    assert cost(MILLION, Price(input=10, output=0, cache_read=0, cache_write=1)) == pytest.approx(11)


def test_a_long_prompt_has_its_own_price() -> None:
    table = PriceTable()
    short = Usage(input_tokens=60_000, cache_read_tokens=40_000, output_tokens=1000)
    longer = short.model_copy(update={"input_tokens": 60_001})
    price = table.price("claude-haiku-5-5")
    assert price is not None
    assert price.long is not None
    assert cost(short, price) == pytest.approx((60_000 * 0.1 + 40_000 * 0.01 + 1000 * 0.5) / 1e6)
    assert cost(longer, price) == pytest.approx((60_001 * 0.5 + 40_000 * 0.05 + 1000 * 2.5) / 1e6)


def test_the_users_price_wins_and_an_unknown_model_has_none() -> None:
    table = PriceTable({"claude-opus-4-8": Price(input=1, output=1)})
    used = Usage(input_tokens=1_000_000)
    assert table.priced(used, "claude-opus-4-8").cost == 1
    assert table.priced(used, "claude-opus-4-8-20260101").cost == 1
    assert table.priced(used, "somebody/model").cost is None
    assert table.priced(used, "claude-opus-4-7").cost == 5
    assert table.priced(used, "claude-opus-4-8x20260101").cost is None


def test_another_endpoint_asks_its_own_price() -> None:
    used = Usage(input_tokens=1_000_000)
    assert PriceTable().priced(used, "claude-opus-4-7", "messages").cost is None
    assert PriceTable().priced(used, "smollm2-135m", "local").cost == 0
    assert PriceTable({"llama": Price(input=2, output=2)}).priced(used, "llama", "messages").cost == 2


def test_every_known_model_with_a_public_price_has_one() -> None:
    assert set(KNOWN) - set(PRICES) == {"claude-fable-5-2"}, "look its price up, or say here that there is none"
