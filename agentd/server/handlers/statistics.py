"""``agentd/session/stats``: what a session, or the project, has taken in messages, tokens and money."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

from agentd.core.prices import PriceTable
from agentd.protocol import DayUse, ModelUse, StatsParams, StatsResult, Usage
from agentd.server.handlers.context import Context
from agentd.store.finding import TurnUse, Use

UNKNOWN = "unknown"
"""The model of turns that do not say which it was."""


async def stats(context: Context, params: StatsParams) -> StatsResult:
    workspace = context.workspace
    await workspace.recovered()
    session_id = None if params.session_id is None else await workspace.find(params.session_id)
    return summed(await workspace.store.index.use(session_id), workspace.prices)


def summed(use: Use, prices: PriceTable) -> StatsResult:
    """The sums over all turns, by model (most turns first) and by day (newest first)."""
    rows = [_priced(row if row.model else replace(row, model=UNKNOWN), prices) for row in use.rows]
    models = [
        ModelUse(model=model, turns=sum(row.turns for row in group), usage=_usage(group))
        for model, group in _grouped(rows, lambda row: row.model)
    ]
    days = [
        DayUse(day=day, turns=sum(row.turns for row in group), usage=_usage(group))
        for day, group in _grouped(rows, lambda row: row.day)
    ]
    return StatsResult(
        sessions=use.sessions,
        turns=sum(row.turns for row in rows),
        user_messages=sum(row.user_messages for row in rows),
        assistant_messages=sum(row.assistant_messages for row in rows),
        tool_calls=sum(row.tool_calls for row in rows),
        tool_results=sum(row.tool_results for row in rows),
        usage=_usage(rows),
        by_model=tuple(sorted(models, key=lambda one: (-one.turns, one.model))),
        by_day=tuple(sorted(days, key=lambda one: one.day, reverse=True)),
        unpriced=tuple(sorted({row.model for row in rows if row.priced < row.turns and _tokens(row.usage)})),
        prices=prices.dated,
    )


def _grouped(rows: Iterable[TurnUse], key: Callable[[TurnUse], str]) -> Iterable[tuple[str, list[TurnUse]]]:
    for name, group in groupby(sorted(rows, key=key), key):
        yield name, list(group)


def _usage(rows: Iterable[TurnUse]) -> Usage:
    total = Usage()
    for row in rows:
        total = total.plus(row.usage)
    return total


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens


def _priced(row: TurnUse, prices: PriceTable) -> TurnUse:
    """A price that the user gave since then counts for turns that had none."""
    if row.priced or not _tokens(row.usage):
        return row
    usage = prices.afterwards(row.usage, row.model)
    return replace(row, usage=usage, priced=row.turns if usage.cost is not None else 0)
