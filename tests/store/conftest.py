"""Fixtures of the store's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentd.store.project import FileStore
from tests.store.support import FailingFiles, a_store


@pytest.fixture
def disk() -> FailingFiles:
    return FailingFiles()


@pytest.fixture
async def store(tmp_path: Path, disk: FailingFiles) -> AsyncIterator[FileStore]:
    async with a_store(tmp_path, disk) as made:
        yield made
