"""Every scenario, over every way to a daemon: in memory, over the socket, through bridge and daemon process."""

from pathlib import Path

import pytest

from tests.support.daemon import WAYS, Way
from tests.support.playing import play
from tests.support.scenario import read

pytestmark = [
    pytest.mark.anyio,
    # watchdog warns of its own race, when directories are made faster than it looks.
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

FILES = sorted((Path(__file__).parent / "files").glob("*.toml"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_scenario(file: Path, way: Way) -> None:
    await play(read(file), way)
