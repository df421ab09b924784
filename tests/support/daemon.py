"""Three ways to a daemon, the same to whoever dials: in memory, over the Unix socket, through bridge and process.

``memory``: a workspace and connections in this process, joined by socket pairs, without the daemon around them.
``socket``: the daemon in this process, over its real socket. ``bridge``: ``agentd lsp`` for each client, which starts
the daemon as a process of its own. ``unfiled``, beside these: as ``memory``, on a store that is in memory too.
"""

import asyncio
import os
import signal
import socket as sockets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import anyio
import keyring
import keyring.backends.fail

from agentd import __version__, clock, paths
from agentd.counting import recount
from agentd.server.lock import Lock, read_note
from agentd.store.api import Store
from agentd.store.files import Files
from agentd.store.memory import MemoryStore
from tests.support.home import Home, agentd
from tests.support.pipe import Pipe, say_hello

Way = Literal["memory", "socket", "bridge", "unfiled"]
WAYS: tuple[Way, ...] = ("memory", "socket", "bridge")
PATIENCE = 15.0
UNFILED: dict[Path, MemoryStore] = {}
"""What daemons without files keep, by home: one that is started again finds it."""


class Daemon(Protocol):
    """What a test needs of any of them."""

    async def dial(self, environment: dict[str, str]) -> Pipe:
        """A new client's stream, hello said, ``initialize`` not yet."""

    async def stop(self) -> None:
        """End it as SIGTERM does; wait until it is gone."""


class Info:
    """The daemon without a process, as handlers see it."""

    def __init__(self, stop: asyncio.Event, connected: set[Any]) -> None:
        self.version = __version__
        self.socket = "memory"
        self.started = clock.now()
        self.problems: tuple[str, ...] = ()
        self._stop = stop
        self._connected = connected

    @property
    def connections(self) -> int:
        return len(self._connected)

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """This process's environment, and a keyring that is none, for a daemon that runs in it."""
    before, ring = dict(os.environ), keyring.get_keyring()
    os.environ.update(values)
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call, unused-ignore]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        keyring.set_keyring(ring)


async def connect(path: str, cwd: str, environment: dict[str, str]) -> Pipe:
    """A client of a daemon that listens on this socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    said = await say_hello(reader, writer, cwd, environment)
    assert set(said) == {"agentd", "version", "root", "idle", "protocol"}, said
    return Pipe(reader, writer)


class InProcess:
    """A daemon whose life is a task here. Subclasses say how it runs and how it is dialled."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._ready = asyncio.Event()
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._ready.clear()
        self._end.clear()
        self._task = asyncio.create_task(self._live())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.is_set():
            ready.cancel()
            await self._task

    async def _live(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        self._end.set()
        await self.ended()

    async def ended(self) -> None:
        assert self._task is not None
        await asyncio.wait_for(self._task, PATIENCE)


class ProcessDaemon:
    """``agentd serve`` as a process, started by the first bridge or by ``serve``."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.bridges: list[asyncio.subprocess.Process] = []
        self._served: asyncio.subprocess.Process | None = None

    async def serve(self, **environment: str) -> None:
        """Start it in the foreground, and wait until it listens."""
        ready, ours = os.pipe()
        self._served = await asyncio.create_subprocess_exec(
            *agentd("serve", "--root", str(self.home.root), "--ready-fd", str(ours)),
            env=self.home.environment(**environment),
            pass_fds=[ours],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(ours)
        said = await asyncio.wait_for(_line(ready), PATIENCE)
        assert said == "ready", (said, await self.said())

    async def said(self) -> str:
        """All that the process wrote to stderr, once it has ended."""
        assert self._served is not None
        assert self._served.stderr is not None
        return (await asyncio.wait_for(self._served.stderr.read(), PATIENCE)).decode()

    async def dial(self, environment: dict[str, str]) -> Pipe:
        """Straight to the socket that the lock file names."""
        return await connect(str(self.note["socket"]), str(self.home.root), environment)

    async def bridge(self, environment: dict[str, str]) -> Pipe:
        """Through ``agentd lsp``, which starts the daemon if there is none."""
        process = await asyncio.create_subprocess_exec(
            *agentd("lsp", "--root", str(self.home.root)),
            env=self.home.environment(**environment),
            cwd=self.home.root,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        self.bridges.append(process)
        return Pipe(process.stdout, process.stdin)

    @property
    def note(self) -> dict[str, object]:
        return read_note(paths.lock_path(paths.project_dir(str(self.home.data), str(self.home.root))))

    @property
    def pid(self) -> int:
        pid = self.note["pid"]
        assert isinstance(pid, int)
        return pid

    async def stop(self) -> None:
        if "pid" in self.note:
            await end_process(self.pid, signal.SIGTERM, self._mark)
        await self.tidy()

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        await end_process(self.pid, signal.SIGKILL, self._mark)
        await self.tidy()

    @property
    def _mark(self) -> str:
        """What is in our daemon's arguments and in no other process's."""
        return str(self.home.root)

    async def tidy(self) -> None:
        for process in [*self.bridges, *([self._served] if self._served else [])]:
            try:
                await asyncio.wait_for(_ended(process), PATIENCE)
            except TimeoutError:
                process.kill()
                await _ended(process)
                raise
        self.bridges.clear()
        self._served = None


class BridgeDaemon(ProcessDaemon):
    """As editors reach it."""

    async def dial(self, environment: dict[str, str]) -> Pipe:
        return await self.bridge(environment)


class SocketDaemon(InProcess):
    async def _live(self) -> None:
        from agentd.server.assembly import assemble
        from agentd.server.daemon import Daemon

        root, data = str(self.home.root), str(self.home.data)
        project = paths.project_dir(data, root)
        os.makedirs(project, 0o700, exist_ok=True)
        lock = Lock(paths.lock_path(project))
        with environment(self.home.environment()):
            try:
                async with anyio.create_task_group() as tasks:
                    daemon = Daemon(root, data, lock, dict(os.environ), ())
                    _, minutes = await assemble(daemon)
                    self.path = daemon.socket
                    self._ready.set()
                    told = asyncio.create_task(self._tell(daemon))
                    await daemon.run(minutes)
                    told.cancel()
                    await daemon.close()
                    tasks.cancel_scope.cancel()
            finally:
                lock.close()

    async def _tell(self, daemon: Any) -> None:
        await self._end.wait()
        daemon.stop()

    async def dial(self, environment: dict[str, str]) -> Pipe:
        return await connect(self.path, str(self.home.root), environment)


class MemoryDaemon(InProcess):
    """``files``: what its store does to the disk with, where a test wants it to fail. ``store``: another than files."""

    def __init__(self, home: Home, files: Files | None = None, store: Store | None = None) -> None:
        super().__init__(home)
        self.files = files
        self.store = store
        self.dialled = 0

    async def _live(self) -> None:
        from agentd.config import load
        from agentd.models.catalog import ModelCatalog
        from agentd.server.handlers import COMMANDS, HANDLERS, Context
        from agentd.server.site import Site
        from agentd.store import FileStore
        from agentd.workspace import Workspace

        with environment(self.home.environment()):
            settings, _ = load()
            self.connections: set[Any] = set()
            info = Info(self._end, self.connections)
            async with anyio.create_task_group() as tasks:
                project = Path(paths.project_dir(str(self.home.data), str(self.home.root)))
                store = self.store or FileStore(project, str(self.home.root), files=self.files)
                models = ModelCatalog(settings, self.home.data)
                self.workspace = workspace = Workspace(self.home.root, store, models, settings)
                await workspace.start()
                workspace.tasks.spawn(recount(workspace))
                self.site = Site(
                    version=info.version,
                    root=str(self.home.root),
                    handlers=HANDLERS,
                    commands=COMMANDS,
                    documents=workspace.documents,
                    context=lambda connection: Context(workspace, connection, info),
                    attach=workspace.attach,
                    detach=workspace.detach,
                    idle=lambda: not workspace.busy,
                )
                self._ready.set()
                await self._end.wait()
                await workspace.close()
                for connection in list(self.connections):
                    connection.close()
                    await connection.ended
                tasks.cancel_scope.cancel()

    async def dial(self, environment: dict[str, str]) -> Pipe:
        from agentd.server.connection import Connection

        ours, theirs = sockets.socketpair()
        self.dialled += 1
        made = Connection(self.dialled, self.site, self.connections.discard)
        self.connections.add(made)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: made, theirs)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        await say_hello(reader, writer, str(self.home.root), environment)
        return Pipe(reader, writer)


@asynccontextmanager
async def daemon_of(way: Way, home: Home) -> AsyncIterator[Daemon]:
    """A daemon that is stopped at the end, whatever happened."""
    daemon: InProcess | BridgeDaemon
    async with AsyncExitStack() as stack:
        if way == "bridge":
            daemon = BridgeDaemon(home)
        else:
            unfiled = UNFILED.setdefault(home.base, MemoryStore()) if way == "unfiled" else None
            daemon = SocketDaemon(home) if way == "socket" else MemoryDaemon(home, store=unfiled)
            await daemon.start()
        stack.push_async_callback(daemon.stop)
        yield daemon


async def end_process(pid: int, number: int, mark: str) -> None:
    """Send a signal to the process with this in its arguments, and wait until it is gone, by the kernel's word.

    The number is what a lock file said: its process may be gone, and the number another's by now. So the process is
    taken hold of first, looked at then, and signalled through that hold.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if mark not in await asyncio.to_thread(_arguments, pid):
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
        await asyncio.wait_for(_readable(descriptor), PATIENCE)
    finally:
        os.close(descriptor)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """What it wrote to stderr is read to its end, so that no pipe is left behind; its stdout is an editor's."""
    assert process.stderr is not None
    await process.stderr.read()
    await process.wait()


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def _line(descriptor: int) -> str:
    """What comes through a pipe, to its end."""
    data = b""
    try:
        while not data.endswith(b"\n"):
            await _readable(descriptor)
            piece = os.read(descriptor, 4096)
            if not piece:
                break
            data += piece
    finally:
        os.close(descriptor)
    return data.decode().strip()
