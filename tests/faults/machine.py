"""A daemon process that tests may kill, starve and start again on one store, and editors on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.daemon import ProcessDaemon
from tests.support.editor import Editor
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import MessagesApi, Script


@dataclass
class Machine:
    home: Home
    api: MessagesApi
    daemon: ProcessDaemon

    @property
    def key(self) -> dict[str, str]:
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.api.url}

    async def editor(self, name: str = "editor") -> Editor:
        """Attached to the daemon that runs."""
        return await Editor.attach(await self.daemon.dial(self.key), str(self.home.root), name=name)

    async def through_bridge(self) -> Editor:
        """As editors come: by ``agentd lsp``, which starts the daemon if it must."""
        return await Editor.attach(await self.daemon.bridge(self.key), str(self.home.root), name="bridge")

    async def kill(self, *editors: Editor) -> None:
        """The daemon is gone at once; what its editors have read until then is on their screens."""
        for editor in editors:
            editor.may_be_lost = True
        await self.daemon.kill()
        for editor in editors:
            await editor.lost()
            await editor.drop()
            editor.check()

    async def restart(self, **environment: str) -> Editor:
        await self.daemon.serve(**environment)
        return await self.editor()


@asynccontextmanager
async def machine(script: Script) -> AsyncIterator[Machine]:
    async with MessagesApi(script) as api:
        with make_home() as home:
            daemon = ProcessDaemon(home)
            try:
                yield Machine(home, api, daemon)
            except BaseException as error:
                error.add_note("The daemon's log:\n" + home.log()[-6000:])
                raise
            finally:
                await daemon.stop()
            assert "Traceback" not in home.log(), home.log()
