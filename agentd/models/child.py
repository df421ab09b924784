"""The embedded model's process, seen from the daemon: started at first use, shared, started again if it died.

Owns the process, its socket's directory and its key. Nothing of it outlives the daemon: see ``local_child``.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agentd.errors import ModelUnavailable

SCRIPT: Final = Path(__file__).with_name("local_child.py")
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 3.0
_SOCKET_BYTES: Final = 100
_LINES_KEPT: Final = 5


@dataclass(frozen=True)
class Serving:
    """A running child: where it listens, and the key that it wants."""

    pid: int
    socket: Path
    key: str = field(repr=False)


class Child:
    """One child process of one daemon. ``arguments`` follow the weights and the socket on its command line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._serving: Serving | None = None
        self._starting: asyncio.Task[Serving] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._errors: deque[str] = deque(maxlen=_LINES_KEPT)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def now(self) -> Serving | None:
        """The child if one serves now; nothing is started."""
        return self._serving if self.alive else None

    @property
    def last_words(self) -> str:
        """The last lines of its standard error, in one: empty if it said nothing."""
        return " / ".join(self._errors)

    async def died(self, seconds: float) -> bool:
        """Whether it has ended, or does within this time: a broken connection is noticed sooner than a dead process."""
        if self._watching is not None:
            await asyncio.wait([self._watching], timeout=seconds)
        return not self.alive

    async def serving(self, weights: Path) -> Serving:
        """The running child, started if there is none. Raises ``ModelUnavailable`` when it does not come up."""
        if (serving := self.now) is not None:
            return serving
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(weights), name="embedded model: start")
            self._starting.add_done_callback(self._started)
        # Shielded: a turn that is interrupted while the model loads must not take the others' model away.
        return await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """End it, by the end of its input first. Its directory goes with it."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if (process := self._process) is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            await _ended(process)
        if self._watching is not None:
            await self._watching
        self._serving = None

    def _started(self, task: asyncio.Task[Serving]) -> None:
        self._starting = None
        if not task.cancelled():
            # Whoever waited has the error; read here, it is not reported a second time when nobody waits any more.
            task.exception()

    async def _start(self, weights: Path) -> Serving:
        if self._watching is not None:
            await self._watching
        self._errors.clear()
        directory = Path(tempfile.mkdtemp(prefix="agentd-", dir=_short_directory()))
        serving: Serving | None = None
        process: asyncio.subprocess.Process | None = None
        try:
            socket, key = directory / "m.sock", secrets.token_hex(16)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(SCRIPT), str(weights), str(socket), *self._arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(key),
                cwd="/",
                start_new_session=True,
            )
            self._process = process
            self._watching = asyncio.create_task(self._watch(process, directory), name="embedded model: watch")
            await self._ready(process)
            serving = self._serving = Serving(process.pid, socket, key)
            return serving
        except OSError as error:
            raise ModelUnavailable(f"The built-in model cannot be started: {error.strerror}.") from error
        finally:
            if serving is None and process is not None:
                await _ended(process, seconds=0)
            if process is None:
                shutil.rmtree(directory, ignore_errors=True)

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise ModelUnavailable(f"The built-in model was not ready within {_START_SECONDS:g} s.") from error
        try:
            ready = bool(json.loads(line)["ready"])
        except (ValueError, KeyError, TypeError):
            ready = False
        if not ready:
            # Its standard error ends with it, so that the last lines are all there.
            await _ended(process)
            if self._watching is not None:
                await self._watching
            raise ModelUnavailable(f"The built-in model did not start: {self.last_words or 'it gave no reason'}.")

    async def _watch(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError):
            # ValueError: a line beyond all measure. What comes after it is of no use either.
            async for line in process.stderr:
                text = line.decode(errors="replace").strip()
                if text and not text.startswith(("Traceback ", "File ", "^")):
                    self._errors.append(text[:300])
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def _ended(process: asyncio.subprocess.Process, seconds: float = _STOP_SECONDS) -> None:
    """Wait for its end, and bring it about when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _short_directory() -> str:
    """A place of our own user for sockets whose path stays within the system's limit (104 bytes on macOS)."""
    for place in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        if place and len(os.fsencode(place)) + len("/agentd-12345678/m.sock") <= _SOCKET_BYTES and Path(place).is_dir():
            return place
    return "/tmp"  # noqa: S108


def _environment(key: str) -> dict[str, str]:
    """Ours without the provider's keys, which the child has no use for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    return kept | {"AGENTD_LOCAL_KEY": key, "AGENTD_LOCAL_PARENT": str(os.getpid())}
