"""What the model tests share: a keyring that is none, a catalog on its own directory, and asking it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from agentd.config import Settings
from agentd.core.exchange import Message, ModelEvent, Request, TextBlock
from agentd.models.api import Model
from agentd.models.catalog import ModelCatalog

KEY = "test-key"


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """No test may read or change the keyring of whoever runs it."""
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    yield
    keyring.set_keyring(before)


MakeCatalog = Callable[[Settings], ModelCatalog]


@pytest.fixture
async def make_catalog(tmp_path: Path) -> AsyncIterator[MakeCatalog]:
    """Catalogs that are closed at the end."""
    made: list[ModelCatalog] = []

    def make(settings: Settings) -> ModelCatalog:
        made.append(ModelCatalog(settings, tmp_path / "data"))
        return made[-1]

    yield make
    for catalog in made:
        await catalog.close()


def ask(text: str = "hello", model: str = "claude-sonnet-5-5") -> Request:
    return Request(model=model, messages=(Message("user", (TextBlock(text),)),))


async def collect(model: Model, request: Request, environment: dict[str, str]) -> list[ModelEvent]:
    """All events of one call."""
    stream = model.stream(request, environment)
    async with aclosing(stream) as events:  # type: ignore[type-var]
        return [event async for event in events]
