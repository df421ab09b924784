"""The daemon of one root: who is attached, when it ends, and in what order things begin and end.

Owns the listener and the connections. Sessions, turns and documents are the workspace's.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import anyio

from agentd import __version__, clock
from agentd.errors import AgentdError
from agentd.server import faults
from agentd.server.connection import Connection
from agentd.server.listener import Listener
from agentd.server.lock import Lock
from agentd.server.site import Documents, Handler, Site

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
CHECK_SECONDS = 5.0
"""How often the socket's path and idleness are looked at: one ``stat`` each time."""

ANSWER_SECONDS = 5.0
"""How long, when the daemon ends, requests are given to be answered and clients to read it."""

_GC = (2000, 10, 10)
"""What CPython has from 3.12 on."""


class Hosted(Protocol):
    """What the daemon needs of the workspace."""

    @property
    def busy(self) -> bool: ...
    @property
    def documents(self) -> Documents: ...
    def attach(self, peer: Connection) -> None: ...
    def detach(self, peer: Connection) -> None: ...
    async def close(self) -> None: ...


class Daemon:
    """A running daemon, as handlers see it (``DaemonInfo``) and as the process runs it."""

    def __init__(self, root: str, data: str, lock: Lock, env: Mapping[str, str], problems: tuple[str, ...]) -> None:
        self.version = __version__
        self.root = root
        self.started = clock.now()
        self.problems = problems
        self.data = data
        self._lock = lock
        self._env = env
        self._listener: Listener | None = None
        self._server: asyncio.Server | None = None
        self._site: Site | None = None
        self._workspace: Hosted | None = None
        self._all: set[Connection] = set()
        self._last_id = 0
        self._stopping = asyncio.Event()

    @property
    def socket(self) -> str:
        return self._listener.path if self._listener else ""

    @property
    def connections(self) -> int:
        """Clients that said hello."""
        return sum(connection.greeted for connection in self._all)

    @property
    def idle(self) -> bool:
        return not self.connections and not (self._workspace is not None and self._workspace.busy)

    def stop(self) -> None:
        """End; returns at once."""
        self._stopping.set()

    async def open(
        self,
        workspace: Hosted,
        handlers: Mapping[str, Handler],
        commands: Mapping[str, str],
        context: Callable[[Connection], object],
    ) -> None:
        """Listen. Raises ``OSError`` when there is no place for a socket."""
        self._workspace = workspace
        self._site = Site(
            version=self.version,
            root=self.root,
            handlers=handlers,
            commands=commands,
            documents=workspace.documents,
            context=context,
            attach=workspace.attach,
            detach=workspace.detach,
            idle=lambda: self.idle,
        )
        await self._listen()

    async def run(self, idle_minutes: float) -> None:
        """Until told to stop, or idle for so long."""
        idle_seconds = idle_minutes * 60
        now = asyncio.get_running_loop().time
        idle_since = now()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(CHECK_SECONDS, idle_seconds)):
                    await self._stopping.wait()
                return
            if not self.idle:
                idle_since = now()
            elif now() - idle_since >= idle_seconds:
                logger.info("nobody attached and no turn for %g minutes: ending", idle_minutes)
                return
            await self.check()

    async def close(self) -> None:
        """No new clients; turns are interrupted and saved; what was asked is answered; then everyone is let go."""
        if self._server is not None:
            self._server.close()
        if self._listener is not None:
            self._listener.close()
        for connection in self._all:
            connection.deafen()
        if self._workspace is not None:
            try:
                await self._workspace.close()
            except Exception as error:
                faults.note(logger, "closing the workspace", error)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while tasks := [task for connection in self._all for task in connection.in_flight]:
                    await asyncio.wait(tasks)
                for connection in list(self._all):
                    connection.close()
                while self._all:
                    await next(iter(self._all)).ended
        for connection in list(self._all):
            connection.abort()

    async def _listen(self) -> None:
        listener = Listener(self.data, self.root, self._env)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, sock=listener.socket, backlog=128)
        self._listener = listener
        self._lock.note({"socket": listener.path, "version": self.version, "pid": os.getpid()})
        logger.info("listening on %s", listener.path)

    def _accept(self) -> Connection:
        assert self._site is not None
        self._last_id += 1
        connection = Connection(self._last_id, self._site, self._all.discard)
        self._all.add(connection)
        return connection

    async def check(self) -> None:
        """Somebody tidied the runtime directory: be found again. The project's directory: there is nothing to serve."""
        if not self._lock.current():
            logger.error("the project's lock file is gone: ending")
            self.stop()
        elif self._listener is not None and not self._listener.intact():
            logger.warning("the socket %s is gone: listening anew", self._listener.path)
            before = self._server
            try:
                await self._listen()
            except OSError as error:
                logger.error("no place for a socket: %s", error.strerror)
                return
            if before is not None:
                before.close()


Assemble = Callable[["Daemon"], Awaitable[tuple[Hosted, float]]]
"""Makes and starts the workspace, opens the daemon on it; returns it with the idle minutes of the settings."""


def run(
    root: str,
    *,
    data: str,
    lock: Lock,
    ready: Callable[[str], None],
    idle_minutes: float | None,
    assemble: Assemble,
) -> int:
    """Serve a root whose lock is held. The exit code."""
    # The loop answers people, and waits so long for its turn each time that a thread of the store reads a transcript.
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        asyncio.run(_run(root, data, lock, ready, idle_minutes, assemble))
    except Exception as error:
        reference = faults.note(logger, "the daemon", error)
        ready(f"The daemon could not be started: {_words(error)} [{reference} in its log]")
        return 1
    finally:
        lock.close()
    return 0


def _words(error: BaseException) -> str:
    """What a person can use of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, AgentdError):
        return error.message
    return str(error) if isinstance(error, OSError) else type(error).__name__


async def _run(
    root: str,
    data: str,
    lock: Lock,
    ready: Callable[[str], None],
    idle_minutes: float | None,
    assemble: Assemble,
) -> None:
    daemon = Daemon(root, data, lock, dict(os.environ), ())
    _heed_signals(daemon)
    asyncio.get_running_loop().set_exception_handler(_note_stray)
    _, minutes = await assemble(daemon)
    # What was made so far stays: a full collection need not look at it each time, 20 ms long.
    gc.freeze()
    gc.set_threshold(*_GC)
    ready("ready")
    logger.info("agentd %s serves %s (process %d)", daemon.version, root, os.getpid())
    try:
        await daemon.run(minutes if idle_minutes is None else idle_minutes)
    finally:
        with anyio.CancelScope(shield=True):
            await daemon.close()
    logger.info("ended")


def _note_stray(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody caught. asyncio's own way would log words that may be people's."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        faults.note(logger, str(context.get("message", "a callback")), error)
    else:
        logger.error("%s", context.get("message"))


def _heed_signals(daemon: Daemon) -> None:
    """The first one ends gracefully, the second at once."""
    asked = False

    def heed() -> None:
        nonlocal asked
        if asked:
            logger.warning("second signal: ending at once")
            os._exit(1)
        asked = True
        logger.info("signal: ending")
        daemon.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heed)
