"""A daemon's edge in the test's own loop, on a real socket, around a tiny workspace."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentd.server.daemon import Daemon
from agentd.server.lock import Lock
from tests.server.client import OPEN
from tests.server.tiny import COMMANDS, HANDLERS, Given, Inside


class Edge:
    """The daemon, what is inside, and where it listens."""

    def __init__(self, daemon: Daemon, inside: Inside, lock: Lock) -> None:
        self.daemon = daemon
        self.inside = inside
        self.lock = lock

    @property
    def path(self) -> str:
        return self.daemon.socket


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """As pytest's, with a short name: a socket's path has 103 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ad-")).resolve()
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    os.makedirs(tmp_path / "data")
    lock = Lock(str(tmp_path / "lock"))
    daemon = Daemon(str(tmp_path), str(tmp_path / "data"), lock, {}, ())
    inside = Inside(stop=daemon.stop)
    await daemon.open(inside, HANDLERS, COMMANDS, lambda connection: Given(inside, connection))
    yield Edge(daemon, inside, lock)
    for client in list(OPEN):
        await client.close()
    await daemon.close()
    lock.close()
    assert daemon.connections == 0
