"""Finding the daemon of a root, or starting it, and opening a connection to it."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agentd import launch, paths
from agentd.client.failures import DaemonUnavailable
from agentd.client.link import Link, OnEvent, RequestHandlers

if TYPE_CHECKING:
    from socket import socket


@dataclass(frozen=True, slots=True)
class Address:
    """A project: ``root`` names it outright, else it is found from ``folder`` (None: the current directory).

    ``environment`` (key, endpoint) goes with this connection's prompts, over the process's own.
    """

    root: Path | None = None
    folder: Path | None = None
    environment: Mapping[str, str] | None = field(default=None, repr=False)

    def resolved(self) -> str:
        """The root's real path."""
        if self.root is not None:
            return os.path.realpath(self.root)
        return paths.find_root(str(self.folder or Path.cwd()))

    def open(self, *, start: bool = True) -> "socket | None":
        """A socket on which hello has been said; None when no daemon runs and none is to be started. Blocks.

        Raises DaemonUnavailable.
        """
        try:
            return launch.connect(self.resolved(), start=start, environment=self.environment)
        except launch.LaunchFailed as failure:
            raise DaemonUnavailable(str(failure)) from None

    async def dial(
        self, *, on_event: OnEvent | None = None, handlers: RequestHandlers | None = None
    ) -> tuple[Link, str]:
        """A connection, and the root that it is of."""
        opened = await asyncio.to_thread(self.open)
        assert opened is not None
        return await linked(opened, on_event=on_event, handlers=handlers), self.resolved()


async def linked(opened: "socket", *, on_event: OnEvent | None = None, handlers: RequestHandlers | None = None) -> Link:
    """The connection over this socket, which is not initialized yet."""
    reader, writer = await asyncio.open_unix_connection(sock=opened, limit=2**20)
    return Link(reader, writer, on_event=on_event, handlers=handlers)
