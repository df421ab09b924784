"""Fixtures of the store's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from agentd.store.project import FileStore
from tests.store.support import FailingFiles, a_store

# The machine may be busy: how long one example takes says nothing. The test's own limit holds.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def disk() -> FailingFiles:
    return FailingFiles()


@pytest.fixture
async def store(tmp_path: Path, disk: FailingFiles) -> AsyncIterator[FileStore]:
    async with a_store(tmp_path, disk) as made:
        yield made
