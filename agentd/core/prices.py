"""What tokens cost: a dated table of public prices, under the user's own, and the arithmetic. Pure.

A model without a price has tokens without cost, and whoever counts says so: a guess is never shown as money.
"""

from collections.abc import Mapping
from typing import Final

from agentd.protocol import Price, Usage

DATED: Final = "2026-10-10"
"""When the table below was compared with the provider's public price list."""


def _price(input_: float, output: float, read: float = 0.1) -> Price:
    return Price(input=input_, output=output, cache_write=round(input_ * 1.25, 6), cache_read=round(input_ * read, 6))


FREE: Final = _price(0, 0)
_OPUS, _SONNET, _FABLE = _price(5, 25), _price(3, 15), _price(10, 50)
_HAIKU_LONG = _price(0.5, 2.5)

PRICES: Final[Mapping[str, Price]] = {
    "claude-fable-5-1": _price(10, 50, 0.025),
    "claude-fable-5": _FABLE,
    "claude-opus-5-5": _price(4, 20, 0.05),
    "claude-opus-5": _OPUS,
    "claude-opus-4-8": _OPUS,
    "claude-opus-4-7": _OPUS,
    "claude-opus-4-6": _OPUS,
    "claude-opus-4-5": _OPUS,
    "claude-opus-4-1": _price(15, 75),
    "claude-opus-4": _price(15, 75),
    "claude-sonnet-5-5": _price(2, 10, 0.05),
    "claude-sonnet-5": _price(2, 10),
    "claude-sonnet-4-6": _SONNET,
    "claude-sonnet-4-5": _SONNET,
    "claude-sonnet-4": _SONNET,
    "claude-haiku-5-5": _price(0.1, 0.5).model_copy(update={"long_over": 100_000, "long": _HAIKU_LONG}),
    "claude-haiku-4-5": _price(1, 5),
}


class PriceTable:
    """The prices in force: the user's own before the public ones. ``dated`` is of the public ones."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self._own = dict(own or {})
        self.dated: Final = DATED

    def price(self, model: str, provider: str = "anthropic") -> Price | None:
        """Of a model's id, also of a dated one (``claude-opus-4-5-20251101``); None when it is not known.

        The public prices are those of the provider's own endpoint: another endpoint asks its own. What runs on this
        machine costs nothing.
        """
        public = {"anthropic": PRICES, "local": {model: FREE}}.get(provider, {})
        return _of(self._own, model) or _of(public, model)

    def afterwards(self, usage: Usage, model: str) -> Usage:
        """Calls that had no price when they were made, summed, by the user's own price of now; long ones as all."""
        own = _of(self._own, model)
        return usage.model_copy(update={"cost": cost(usage, own.model_copy(update={"long": None}))}) if own else usage

    def priced(self, usage: Usage, model: str, provider: str = "anthropic") -> Usage:
        """The usage of one call of a model, with what it cost; without a cost when no price is known."""
        price = self.price(model, provider)
        return usage.model_copy(update={"cost": cost(usage, price)}) if price else usage


def cost(usage: Usage, price: Price) -> float:
    """US dollars of one call."""
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    if price.long is not None and price.long_over is not None and prompt > price.long_over:
        price = price.long
    write = price.cache_write if price.cache_write is not None else price.input * 1.25
    read = price.cache_read if price.cache_read is not None else price.input * 0.1
    dollars = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_write_tokens * write
        + usage.cache_read_tokens * read
    )
    return round(dollars / 1e6, 9)


def _of(table: Mapping[str, Price], model: str) -> Price | None:
    found = table.get(model)
    if found is None and len(model) > 9 and model[-9] == "-" and model[-8:].isdecimal():
        found = table.get(model[:-9])
    return found
