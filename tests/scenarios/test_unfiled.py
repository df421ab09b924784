"""Every scenario once more on the in-memory store: the workspace asks no more of a store than it promises."""

from pathlib import Path

import pytest

from tests.scenarios.test_scenarios import FILES
from tests.support.daemon import UNFILED
from tests.support.playing import play
from tests.support.scenario import read

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_scenario_without_files(file: Path) -> None:
    UNFILED.clear()
    await play(read(file), "unfiled")
