"""Editors on a workspace in this process, whose disk the test commands and whose crash it can stage."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.daemon import MemoryDaemon
from tests.support.disk import Disk
from tests.support.editor import LIMIT, Editor
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import MessagesApi, Script


@dataclass
class World:
    """``one`` and ``two`` are attached from the beginning."""

    home: Home
    api: MessagesApi
    disk: Disk
    daemon: MemoryDaemon
    editors: list[Editor] = field(default_factory=list)

    @property
    def one(self) -> Editor:
        return self.editors[0]

    @property
    def two(self) -> Editor:
        return self.editors[1]

    async def editor(self, name: str, key: str = KEY) -> Editor:
        """One more."""
        pipe = await self.daemon.dial({"ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": self.api.url})
        editor = await Editor.attach(pipe, str(self.home.root), name=name)
        self.editors.append(editor)
        return editor

    async def waiting(self) -> None:
        """Until something waits for a held sync."""
        assert await asyncio.to_thread(self.disk.waiting.wait, LIMIT)

    async def new(self, **params: object) -> str:
        session: str = (await self.one.request("agentd/session/new", params))["session"]["id"]
        return session

    async def until(self, look: Callable[[], bool], asking: Editor) -> None:
        """Until something holds inside the daemon, looked at after each answer of a small request."""
        async with asyncio.timeout(LIMIT):
            while not look():
                await asking.request("agentd/status")

    async def gone(self, *editors: Editor, asking: Editor) -> None:
        """They hang up without a word, and the daemon has noticed it."""
        for editor in editors:
            await editor.drop()
        left = sum(not editor.may_be_lost for editor in self.editors)
        await self.until(lambda: len(self.daemon.connections) == left, asking)

    def snapshot(self) -> Path:
        """A copy of the store as it is at this moment: what a kill -9 now would leave."""
        copy = self.home.base / "snapshot"
        shutil.copytree(self.home.data, copy, symlinks=True)
        return copy

    async def restart_on(self, snapshot: Path) -> Editor:
        """A new daemon on what was kept by then, and an editor attached to it. Those before are gone."""
        for editor in self.editors:
            await editor.drop()
        self.disk.mend()
        self.disk.release()
        await self.daemon.stop()
        shutil.rmtree(self.home.data)
        shutil.move(snapshot, self.home.data)
        self.disk = Disk()
        self.daemon = MemoryDaemon(self.home, self.disk)
        await self.daemon.start()
        return await self.editor("after")


@asynccontextmanager
async def world(script: Script) -> AsyncIterator[World]:
    disk = Disk()
    async with MessagesApi(script) as api:
        with make_home() as home:
            here = World(home, api, disk, MemoryDaemon(home, disk))
            await here.daemon.start()
            try:
                # The provider's SDK takes seconds to import on a busy machine: none of them are a test's.
                await here.daemon.workspace.models.warm()
                for name in ("one", "two"):
                    await here.editor(name)
                yield here
                for editor in here.editors:
                    await editor.close()
            finally:
                here.disk.mend()
                here.disk.release()
                for editor in here.editors:
                    await editor.drop()
                await here.daemon.stop()
