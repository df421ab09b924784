"""A client whose daemon is in this process: a workspace on a store and models of the caller's own, no socket, no fork.

Owns the workspace, and the lock on its store. Serves the rows that the Python API needs; the others are the daemon's.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agentd import conversation, paths, prompting
from agentd import protocol as p
from agentd.api.locking import Held
from agentd.client.dial import Address
from agentd.client.failures import ConnectionLost
from agentd.client.typed import Client
from agentd.config import Settings
from agentd.core import lookup
from agentd.errors import InvalidParams
from agentd.making import new_metadata
from agentd.models.api import Catalog
from agentd.server import takeover
from agentd.store import FileStore
from agentd.store.api import Store
from agentd.store.lane import settled
from agentd.workspace import Workspace

logger = logging.getLogger(__name__)
R = TypeVar("R", bound=p.Wire)


class _Peer:
    """The one client of the workspace, as the workspace sees it."""

    id = 1
    name = "agentd-api"

    def __init__(self, environment: Mapping[str, str], cwd: str, publish: Callable[[p.EventParams], None]) -> None:
        self.environment = environment
        self.cwd = cwd
        self.gone = False
        self._publish = publish

    def publish(self, event: p.Published) -> None:
        self._publish(event.params)


def _settle(root: Path, store: FileStore) -> str | None:
    """What the root is known by. For a project's own store, sessions of a moved root are found first, as its daemon
    does it; of which root another store is, is not put on record: it has no neighbours that could be asked."""
    location = Path(store.location)
    data = str(location.parent.parent)
    if paths.project_dir(data, str(root)) != str(location):
        store.leave_unidentified()
        return None
    found = takeover.settle(data, str(root))
    for note in found.notes:
        logger.log(logging.INFO if found.certain else logging.WARNING, "%s", note)
    if not found.certain:
        store.leave_unidentified()
    return found.project_id


class InProcessClient(Client):
    """See ``Client``. ``environment`` is laid over this process's own; ``close`` closes the store and the models."""

    def __init__(
        self,
        root: Path,
        store: Store,
        models: Catalog,
        settings: Settings,
        environment: Mapping[str, str],
        lock: Held | None = None,
    ) -> None:
        super().__init__(Address(root))
        self.root = str(root)
        self._peer = _Peer({**os.environ, **environment}, str(Path.cwd()), self._publish)
        self._made = (root, store, models, settings)
        self._workspace: Workspace | None = None
        self._ended = False
        self._lock = lock
        self._rows: dict[str, Callable[[Workspace, Any], Awaitable[p.Wire]]] = {
            "agentd/chat": lambda workspace, params: prompting.chat(workspace, self._peer, params),
            "agentd/turn/interrupt": self._interrupt,
            "agentd/turn/retry": lambda workspace, params: prompting.retry(workspace, self._peer, params.session_id),
            "agentd/session/new": self._new,
            "agentd/session/show": self._show,
            "agentd/session/list": self._list,
            "agentd/session/messages": conversation.read,
            "agentd/session/setMessages": self._set_messages,
        }

    async def reconnect(self) -> None:
        """Start the workspace. Once: a store that was closed is not opened again."""
        if self._workspace is not None:
            return
        if self._ended:
            raise ConnectionLost("This session's store is closed")
        root, store, models, settings = self._made
        workspace = Workspace(root, store, models, settings)
        try:
            if isinstance(store, FileStore):
                workspace.folder.identity = await settled(
                    asyncio.ensure_future(asyncio.to_thread(_settle, root, store))
                )
            await workspace.start()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        workspace.attach(self._peer)
        self._workspace = workspace

    async def close(self) -> None:
        """A running turn is interrupted and saved; then the store and the models are closed."""
        workspace, self._workspace = self._workspace, None
        if workspace is not None:
            self._ended = True
            try:
                await workspace.close()
            finally:
                self._lose()
                if self._lock is not None:
                    self._lock.release()

    @property
    def connected(self) -> bool:
        return self._workspace is not None

    async def request(self, method: str, params: p.Wire, result: type[R]) -> R:
        if self._workspace is None:
            raise ConnectionLost("This session is not open")
        row = self._rows.get(method)
        if row is None:
            raise InvalidParams(f"{method} is served by the daemon, not by a session in this process")
        answer = await row(self._workspace, params)
        assert isinstance(answer, result)
        return answer

    def _publish(self, event: p.EventParams) -> None:
        for stream in tuple(self._streams):
            stream.put(event)

    async def _interrupt(self, workspace: Workspace, params: p.InterruptParams) -> p.TurnResult:
        return p.TurnResult(turn=await prompting.interrupt(workspace, params.session_id, params.turn))

    async def _new(self, workspace: Workspace, params: p.NewParams) -> p.SessionResult:
        async def make() -> p.SessionResult:
            metadata = await new_metadata(workspace, self._peer.environment, params, self._peer.cwd)
            async with workspace.using_new(metadata) as session:
                session.subscribe(self._peer)
                return p.SessionResult(session=session.view())

        return await workspace.tasks.own(make())

    async def _show(self, workspace: Workspace, params: p.SessionParams) -> p.ShowResult:
        async with workspace.using(params.session_id) as session:
            known = session.metadata
            stats = p.SessionStats(
                turns=known.turn_count,
                messages=known.message_count,
                tool_calls=known.tool_count,
                usage=known.usage or p.Usage(),
            )
            documents = await workspace.folder.documents(session.id)
            return p.ShowResult(session=session.view(), stats=stats, documents=documents)

    async def _list(self, workspace: Workspace, params: p.ListParams) -> p.ListResult:
        page = lookup.page(await workspace.views(), params)
        return p.ListResult(sessions=page.sessions, next_cursor=page.next_cursor, total=page.total)

    async def _set_messages(self, workspace: Workspace, params: p.SetMessagesParams) -> p.SessionResult:
        work = conversation.set_messages(workspace, self._peer.environment, self._peer.cwd, params)
        return p.SessionResult(session=await workspace.tasks.own(work))
