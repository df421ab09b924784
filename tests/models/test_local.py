"""The embedded model: the real one. What it says is its own business; that and how it says it are ours."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from agentd.config import Settings
from agentd.core.exchange import BlockDelta, Message, Request, TextBlock, TokensUsed
from agentd.errors import ModelUnavailable
from agentd.models import weights
from agentd.models.local import LOCAL_ID, LOCAL_TRAITS, LocalModel
from tests.models.asking import ask, listen
from tests.support.weights import lend_weights

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("embedded model")]

LIMIT = 60.0
ROOT = Path(__file__).parents[2]


def tell(text: str = "Tell me a story about a river.", max_tokens: int = 24) -> Request:
    return Request(LOCAL_ID, (Message("user", (TextBlock(text),)),), (TextBlock("Be brief."),), max_tokens)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    lend_weights(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
async def local(data_dir: Path) -> AsyncIterator[LocalModel]:
    model = LocalModel(Settings(), data_dir)
    yield model
    await model.close()


async def test_it_streams_a_reply_as_it_is_generated(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        heard = await listen(local, tell(), {})
    assert heard.failure is None
    assert len([event for event in heard.events if isinstance(event, BlockDelta)]) > 5
    assert heard.stopped in ("max_tokens", "end_turn")
    used = [event.usage for event in heard.events if isinstance(event, TokensUsed)][-1]
    assert used.input_tokens > 5
    assert 0 < used.output_tokens <= 24


async def test_sessions_share_one_process_and_speak_at_the_same_time(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        heard = await asyncio.gather(*(listen(local, tell(f"Say something about {n}."), {}) for n in range(5)))
    assert all(one.failure is None and one.stopped for one in heard)
    assert local.pid is not None


async def test_a_prompt_beyond_its_window_is_too_long(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        heard = await listen(local, tell("word " * 2 * LOCAL_TRAITS.context_window), {})
    assert heard.failure is not None
    assert (heard.failure.reason, heard.failure.retryable) == ("tooLong", False)


async def test_after_an_interrupted_reply_the_next_one_works(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        async with aclosing(local.stream(tell("Tell a long story.", 300), {})) as events:
            async for event in events:
                if isinstance(event, BlockDelta):
                    break
        before = local.pid
        assert (await listen(local, tell(), {})).failure is None
        assert local.pid == before


async def test_an_interrupt_while_it_starts_takes_nothing_from_the_others(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        first = asyncio.create_task(listen(local, tell(), {}))
        second = asyncio.create_task(listen(local, tell(), {}))
        # One step each: both wait for the process now.
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).failure is None


async def test_killed_in_mid_reply_it_is_told_and_started_again(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        said: list[str] = []
        pid = None
        with pytest.raises(Exception, match="process ended") as caught:
            async with aclosing(local.stream(tell("Tell a long story.", 300), {})) as events:
                async for event in events:
                    if isinstance(event, BlockDelta):
                        said.append(event.text)
                        if pid is None:
                            pid = local.pid
                            assert pid is not None
                            os.kill(pid, signal.SIGKILL)
        assert said
        assert (getattr(caught.value, "reason", ""), getattr(caught.value, "retryable", False)) == ("server", True)
        assert (await listen(local, tell(), {})).failure is None
        assert local.pid != pid


async def test_closing_ends_the_process_and_removes_its_directory(data_dir: Path) -> None:
    model = LocalModel(Settings(), data_dir)
    async with asyncio.timeout(LIMIT):
        await listen(model, tell(), {})
        assert model.socket is not None
        directory = model.socket.parent
        assert directory.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(model.socket)) < 100
        await model.close()
    assert not directory.exists()
    assert model.pid is None
    await model.close()


async def test_it_serves_nobody_without_the_key(local: LocalModel) -> None:
    async with asyncio.timeout(LIMIT):
        await listen(local, tell(), {})
        assert local.socket is not None
        reader, writer = await asyncio.open_unix_connection(local.socket)
        writer.write(
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 2\r\nconnection: close\r\n\r\n{}"
        )
        assert b" 401 " in await reader.readline()
        writer.close()


async def test_without_weights_it_says_how_to_get_them(tmp_path: Path) -> None:
    model = LocalModel(Settings(), tmp_path)
    with pytest.raises(ModelUnavailable, match="agentd model install"):
        await listen(model, ask(), {})


async def test_without_its_program_it_says_what_to_install(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelUnavailable, match=r"agentd-lsp\[local\]"):
        await listen(LocalModel(Settings(), data_dir), ask(), {})


async def test_a_model_that_cannot_start_says_why_without_a_traceback(tmp_path: Path) -> None:
    place = tmp_path / "models" / weights.FILE
    place.parent.mkdir()
    place.write_bytes(b"these are no weights" * 1000)
    model = LocalModel(Settings(), tmp_path)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="did not start") as caught:
            async with asyncio.timeout(LIMIT):
                await listen(model, ask(), {})
        assert "Traceback" not in caught.value.message
        assert "\n" not in caught.value.message
    await model.close()
    assert model.pid is None


PARENT = """
import asyncio, sys
from pathlib import Path
from agentd.config import Settings
from agentd.models.local import LocalModel
from tests.models.test_local import tell

async def main():
    model = LocalModel(Settings(), Path(sys.argv[1]))
    async for event in model.stream(tell("Tell a long story.", 300), {}):
        if model.pid is not None:
            print(model.pid, model.socket, flush=True)
            break
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a stranger's process is watched by pidfd")
async def test_it_dies_with_a_daemon_that_is_killed(data_dir: Path) -> None:
    async with asyncio.timeout(LIMIT):
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PARENT, str(data_dir)),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert daemon.stdout is not None
        pid, socket = (await daemon.stdout.readline()).split()
        child = os.pidfd_open(int(pid))
        daemon.kill()
        await daemon.wait()
        await ended(child)
    assert not Path(os.fsdecode(socket)).parent.exists()


SPAWN = """
import os, subprocess, sys
environment = os.environ | {"AGENTD_LOCAL_PARENT": str(os.getpid())}
child = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL, env=environment)
print(child.pid, file=sys.stderr, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no death signal: there the end of input has to do")
async def test_the_death_signal_reaches_it_while_its_input_is_still_open(data_dir: Path, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    directory.mkdir()
    script = Path(weights.__file__).with_name("local_child.py")
    command = [sys.executable, "-P", str(script), str(data_dir / "models" / weights.FILE), str(directory / "m.sock")]
    async with asyncio.timeout(LIMIT):
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SPAWN, *command, LOCAL_ID, "512", "1"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"AGENTD_LOCAL_KEY": "test"},
        )
        assert parent.stdout is not None
        assert parent.stderr is not None
        child = os.pidfd_open(int(await parent.stderr.readline()))
        assert b"ready" in await parent.stdout.readline()
        # asyncio keeps our end of the input open: only the signal is left to end it.
        parent.kill()
        await ended(child)
        await parent.wait()
    assert not directory.exists()


async def ended(process: int) -> None:
    """The end of a process, which need not be our child. Takes the file descriptor over."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(process, over.set)
    try:
        await over.wait()
    finally:
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)
