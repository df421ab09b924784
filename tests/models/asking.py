"""Asks a model and keeps what it says, also what it said before it failed."""

from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agentd.config import Settings
from agentd.core.exchange import BlockDelta, Message, ModelEvent, Request, Stopped, TextBlock, TokensUsed
from agentd.errors import ModelFailed
from agentd.models.api import Model
from agentd.models.catalog import ModelCatalog
from tests.support.messages_api import MessagesApi

KEY = "test-key"
MODEL = "claude-sonnet-5-5"


class MakeCatalog(Protocol):
    def __call__(self, settings: Settings, data_dir: Path | None = None) -> ModelCatalog: ...


@dataclass
class Heard:
    """One call, as its consumer saw it."""

    events: list[ModelEvent] = field(default_factory=list)
    failure: ModelFailed | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, BlockDelta))

    @property
    def stopped(self) -> str | None:
        """The stop reason, which must be the last event."""
        reasons = [event.reason for event in self.events if isinstance(event, Stopped)]
        assert len(reasons) <= 1
        assert not reasons or isinstance(self.events[-1], Stopped)
        return reasons[0] if reasons else None

    @property
    def shape(self) -> list[ModelEvent]:
        """Without token counts, and with each text in one piece: pieces that come together may be given out as one."""
        joined: list[ModelEvent] = []
        for event in self.events:
            if isinstance(event, BlockDelta) and joined and isinstance(joined[-1], BlockDelta):
                joined[-1] = BlockDelta(joined[-1].text + event.text)
            elif not isinstance(event, TokensUsed):
                joined.append(event)
        return joined


def environment(api: MessagesApi) -> dict[str, str]:
    """That of a client whose key and endpoint are the scripted server's."""
    return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}


def ask(text: str = "hello", model: str = MODEL) -> Request:
    return Request(model=model, messages=(Message("user", (TextBlock(text),)),))


async def listen(model: Model, request: Request, client: dict[str, str]) -> Heard:
    """All of one call; a ``ModelFailed`` is kept, anything else is raised."""
    heard = Heard()
    try:
        async with aclosing(model.stream(request, client)) as events:
            async for event in events:
                heard.events.append(event)
    except ModelFailed as failure:
        heard.failure = failure
    return heard
