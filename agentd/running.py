"""One call of a model for a turn that runs: retries that people see, prices, and what is told to clients."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from agentd.core.exchange import ModelEvent, Request, TokensUsed
from agentd.core.history import window_told
from agentd.core.live import LiveTurn
from agentd.core.records import Draft
from agentd.errors import ModelFailed
from agentd.models.api import Model
from agentd.protocol import Notice
from agentd.session import OpenSession
from agentd.stream import Stream
from agentd.workspace import Workspace

LONGEST_WAIT = 60.0
"""Seconds. A provider that wants us to wait longer is told to the person instead."""


@dataclass(frozen=True, slots=True)
class Running:
    """A turn that runs, with all that its work needs. ``environment`` is the prompting client's."""

    workspace: Workspace
    session: OpenSession
    live: LiveTurn
    stream: Stream
    environment: Mapping[str, str]


Work = Callable[[Running], Awaitable[Sequence[Draft]]]
"""What a turn does. It answers with the marks that are recorded with its end."""


async def ask(run: Running, model: Model, request: Request) -> None:
    """Stream one call of the model into the turn."""
    await call(run, model, request, run.stream.feed, lambda: run.stream.spoke)
    run.stream.check()


async def call(
    run: Running, model: Model, request: Request, take: Callable[[ModelEvent], None], spoke: Callable[[], bool]
) -> None:
    """One call of the model. What fails before its first word is tried again, visibly; later than that, never."""
    settings, prices, traits = run.workspace.settings, run.workspace.prices, model.traits
    for attempt in range(settings.retries + 1):
        try:
            async with aclosing(model.stream(request, run.environment)) as events:
                async for event in events:
                    if isinstance(event, TokensUsed):
                        take(TokensUsed(prices.priced(event.usage, traits.id, traits.provider)))
                    else:
                        take(event)
            return
        except ModelFailed as error:
            window = window_told(error.message, request) if error.reason == "tooLong" else None
            if window is not None:
                run.workspace.models.learn_window(traits.id, window)
            wait = _wait(error, attempt, settings.retry_seconds)
            if spoke() or not error.retryable or attempt == settings.retries or wait > LONGEST_WAIT:
                raise
            message = f"{error.message} Asking again in {wait:.0f} s ({attempt + 1} of {settings.retries})."
            notice = Notice(kind="retry", message=message, turn=run.live.number, seconds=round(wait, 1))
            run.workspace.publish(run.session, notice)
            await anyio.sleep(wait)


def _wait(error: ModelFailed, attempt: int, base: float) -> float:
    """Seconds: what the provider asks for, else doubling from ``base``, a little apart from everybody else's."""
    if error.retry_after is not None:
        return max(error.retry_after, 0.0)
    return min(LONGEST_WAIT, base * 2.0**attempt) * random.uniform(0.9, 1.1)  # noqa: S311
