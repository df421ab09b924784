"""``agentd/session/import`` and ``/scan``: sessions of other programs, and exported ones, become ours.

Reading and writing are one pass in a worker, into a directory that is seen when it is whole. A request that is
cancelled leaves nothing behind; one whose session was made by then leaves that.
"""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from weakref import WeakKeyDictionary

import anyio

from agentd import making as defaults
from agentd.core.metadata import Metadata, checked_name
from agentd.errors import AgentdError, ImportFailed, InvalidParams
from agentd.importing import files, scanning
from agentd.importing.counting import Target
from agentd.importing.making import made, origin_of
from agentd.importing.opening import read_path, read_text
from agentd.importing.reading import Reading
from agentd.protocol import Empty, ImportParams, ImportResult, ScanResult
from agentd.server.handlers import unpacking
from agentd.server.handlers.context import Context
from agentd.session import OpenSession, Peer
from agentd.store.files import Files
from agentd.store.project import FileStore
from agentd.store.transfer.writing import SessionWriter
from agentd.workspace import Workspace

_ONE_AT_A_TIME: "WeakKeyDictionary[Workspace, anyio.Lock]" = WeakKeyDictionary()
"""An import keeps one of the store's threads busy: others of the same project wait, and nobody else does."""


async def import_session(context: Context, params: ImportParams) -> ImportResult:
    if (params.uri is None) == (params.content is None):
        raise InvalidParams("uri, content: give one of them")
    given = params.model_copy(update={"name": checked_name(params.name) if params.name is not None else None})
    stop = Event()
    work = context.workspace.tasks.owned(_import(context.workspace, context.peer, given, stop.is_set))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        raise


async def _import(workspace: Workspace, peer: Peer, params: ImportParams, stopped: files.Stopped) -> ImportResult:
    async with _ONE_AT_A_TIME.setdefault(workspace, anyio.Lock()):
        with ExitStack() as stack:
            path = files.path_of(params.uri) if params.uri is not None else None
            archive = await anyio.to_thread.run_sync(unpacking.archive_of, path, params.content, stopped, stack)
            if archive is not None:
                return await unpacking.unpacked(workspace, peer.environment, archive, params)
            return await _Import(workspace, peer, params, path, stopped).run(stack)


class _Import:
    """One session's way in, and its sub-agents'."""

    def __init__(
        self, workspace: Workspace, peer: Peer, params: ImportParams, path: Path | None, stopped: files.Stopped
    ) -> None:
        self._workspace = workspace
        self._params = params
        self._path = path
        self._stopped = stopped
        self._written: str | None = None
        self._environment = peer.environment
        self._models = frozenset(model.id for model in workspace.models.list(peer.environment))

    async def run(self, stack: ExitStack) -> ImportResult:
        reading = await anyio.to_thread.run_sync(partial(self._read, stack))
        before = await self._before(reading)
        if self._params.name is not None:
            reading.fields |= {"name": self._params.name, "name_source": "user"}
        session_id = str(uuid.uuid4())
        session = await self._make(session_id, reading, {})
        try:
            await self._documents(session, reading)
            for child in reading.children:
                await self._child(session, child, reading)
            view = session.view()
        finally:
            session.users -= 1
            self._workspace.let_go(session)
        return ImportResult(session=view, format=reading.format, warnings=reading.problems.texts, before=before)

    def _read(self, stack: ExitStack) -> Reading:
        if self._path is not None:
            self._written = files.modified(self._path)
            return read_path(self._path, self._params.format, self._stopped, stack)
        return read_text(self._params.content or "", self._params.format, self._stopped)

    async def _before(self, reading: Reading) -> tuple[str, ...]:
        """The sessions that were made of the same one before."""
        origin = (reading.format, reading.id)
        await self._workspace.recovered()
        return tuple(one.id for one in await self._workspace.store.index.imported() if origin_of(one) == origin)

    async def _make(self, session_id: str, reading: Reading, fields: Mapping[str, str]) -> OpenSession:
        """The session, open for one user more."""
        workspace = self._workspace
        base = await defaults.completed(workspace, self._environment, {"id": session_id, **fields})
        await workspace.folder.ensure()
        store = workspace.store
        if not isinstance(store, FileStore):
            raise ImportFailed("This store takes in no sessions.")
        log = await workspace.keep(store.receive(session_id, partial(self._fill, reading, base)))
        session = workspace.adopt(OpenSession.of(log))
        session.users += 1
        workspace.publish_session("session/forked" if session.metadata.parent_id else "session/created", session)
        return session

    def _fill(self, reading: Reading, base: Metadata, store: Files, directory: Path) -> None:
        """In a worker: draws the records into the session's files."""
        writer = SessionWriter(store, directory)
        target = Target(writer.keep, self._written or base.created)
        writer.write(reading.drafts(target))
        path = str(self._path) if self._path is not None else None
        metadata = made(base, reading, target.counts, path, self._models)
        traits = self._workspace.models.traits(metadata.model) if metadata.model else None
        writer.finish(metadata.changed(provider=traits.provider if traits else None))

    async def _documents(self, session: OpenSession, reading: Reading) -> None:
        for name, data in reading.documents.items():
            try:
                await self._workspace.folder.create_document(session.id, name, data.decode("utf-8", "replace"))
            except AgentdError as error:
                reading.problems.note(f"The document {name[:100]} was left out: {error.message}")

    async def _child(self, parent: OpenSession, child: Reading, reading: Reading) -> None:
        agent = str(child.fields.get("agent_name") or "agent")
        child_id = f"{parent.id}-{agent}-{uuid.uuid4().hex[:8]}"
        try:
            session = await self._make(child_id, child, {"parent_id": parent.id, "trace_id": parent.id})
        except AgentdError as error:
            reading.problems.note(f"A sub-agent's transcript ({child.id[:60]}) was left out: {error.message}")
            return
        for text in child.problems.texts:
            reading.problems.note(f"In the sub-agent {agent} ({child.id[:60]}): {text}")
        session.users -= 1
        self._workspace.let_go(session)


async def scan(context: Context, params: Empty) -> ScanResult:
    """Those that were imported before say so; a session that was deleted since does not count."""
    workspace, peer = context.workspace, context.peer
    await workspace.recovered()
    imported = await workspace.store.index.imported()
    known = {origin: one.id for one in imported if (origin := origin_of(one)) is not None}
    places = scanning.places(peer.environment, str(workspace.root))
    return await anyio.to_thread.run_sync(scanning.scan, places, known)
