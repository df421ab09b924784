"""Real processes of ours: bridges, daemons, and what the operating system says of them."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from agentd import paths
from agentd.server.lock import read_note
from tests.server.client import LIMIT, Client, initialize

SOURCE = Path(__file__).parents[2]


class Place:
    """A root and a data directory of a test's own. ``close`` ends the daemon."""

    def __init__(self, directory: Path) -> None:
        self.root = str(directory / "root")
        self.data = str(directory / "data")
        self.home = str(directory / "home")
        for path in (self.root, self.home):
            os.makedirs(path)
        self.project = paths.project_dir(self.data, os.path.realpath(self.root))
        self.bridges: list[Bridge] = []

    def env(self, **more: str) -> dict[str, str]:
        """Little, so that nothing of the tester's is in the way."""
        return {
            "AGENTD_HOME": self.data, "HOME": self.home, "PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **more,
        }  # fmt: skip

    async def run(self, *arguments: str, stdin: bytes = b"", cwd: str | None = None, **env: str) -> "Ran":
        """``agentd …`` to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "agentd", *arguments, cwd=cwd or self.root, env=self.env(**env),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, error = await process.communicate(stdin)
        return Ran(process.returncode, out, error.decode())

    async def bridge(self, *arguments: str, cwd: str | None = None, **env: str) -> "Bridge":
        """``agentd lsp``, started and not yet spoken to."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "agentd", "lsp", *arguments, cwd=cwd or self.root, env=self.env(**env),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**27,
        )  # fmt: skip
        bridge = Bridge(process)
        self.bridges.append(bridge)
        return bridge

    @property
    def note(self) -> dict[str, Any]:
        return read_note(paths.lock_path(self.project))

    @property
    def log(self) -> str:
        return Path(paths.log_path(self.project)).read_text()

    async def close(self) -> None:
        for bridge in self.bridges:
            await bridge.leave()
        pid = self.note.get("pid")
        if pid:
            await end(int(pid), signal.SIGTERM)


class Ran:
    def __init__(self, code: int | None, out: bytes, error: str) -> None:
        self.code = code
        self.out = out
        self.error = error


class Bridge(Client):
    """A client at the bridge's stdin and stdout."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        super().__init__(process.stdout, process.stdin)
        self.process = process

    async def initialize(self) -> "Bridge":
        assert "result" in await self.request("initialize", initialize())
        return self

    async def status(self) -> dict[str, Any]:
        result = (await self.request("agentd/status"))["result"]
        assert isinstance(result, dict)
        return result

    async def ended(self) -> int:
        async with asyncio.timeout(LIMIT):
            return await self.process.wait()

    async def said(self) -> str:
        """stderr, to its end."""
        assert self.process.stderr is not None
        async with asyncio.timeout(LIMIT):
            return (await self.process.stderr.read()).decode()

    async def leave(self) -> None:
        """Close stdin and wait for the end of all."""
        if self.process.returncode is None:
            self.writer.close()
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(self.reader.read(), self.said(), self.process.wait())


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.add_reader(watch, over.set_result, None)
    over.add_done_callback(lambda _: loop.remove_reader(watch))
    try:
        async with asyncio.timeout(LIMIT):
            await over
    finally:
        loop.remove_reader(watch)
        os.close(watch)


async def end(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    await gone(pid)


def frames(data: bytes) -> list[dict[str, Any]]:
    """All of ``data`` as messages; fails on a byte that belongs to none."""
    found = []
    while data:
        header, _, data = data.partition(b"\r\n\r\n")
        name, _, length = header.partition(b": ")
        assert name == b"Content-Length", header
        found.append(json.loads(data[: int(length)]))
        data = data[int(length) :]
    return found


def framed(*bodies: dict[str, Any]) -> bytes:
    encoded = [json.dumps({"jsonrpc": "2.0", **body}).encode() for body in bodies]
    return b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) for body in encoded)
