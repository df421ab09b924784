"""What the model tests share: a keyring that is none, catalogs that are closed, and asking a model."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from agentd.config import Settings
from agentd.models.catalog import ModelCatalog
from tests.models.asking import MakeCatalog


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """No test may read or change the keyring of whoever runs it."""
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
async def make_catalog(tmp_path: Path) -> AsyncIterator[MakeCatalog]:
    """Catalogs on a data directory of this test, closed at its end."""
    made: list[ModelCatalog] = []

    def make(settings: Settings, data_dir: Path | None = None) -> ModelCatalog:
        made.append(ModelCatalog(settings, data_dir or tmp_path / "data"))
        return made[-1]

    yield make
    for catalog in made:
        await catalog.close()
