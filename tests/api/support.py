"""A machine with a scripted model in this process's environment; a daemon that a test starts is stopped at the end."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentd import paths
from agentd.server.lock import read_note
from tests.support.daemon import end_process, environment
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import MessagesApi
from tests.support.messages_api.script import Script


@asynccontextmanager
async def machine(script: Script = (), **settings: Any) -> AsyncIterator[tuple[Home, MessagesApi]]:
    """The current directory is the project, as for a user's script."""
    before = os.getcwd()
    async with MessagesApi(script) as api:
        with make_home({"naming": "off", **settings}) as home:
            values = home.environment(ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=api.url)
            with environment(values):
                os.chdir(home.root)
                try:
                    yield home, api
                finally:
                    os.chdir(before)
                    note = read_note(paths.lock_path(paths.project_dir(str(home.data), str(home.root))))
                    if isinstance(pid := note.get("pid"), int):
                        await end_process(pid, signal.SIGTERM, str(home.root))
