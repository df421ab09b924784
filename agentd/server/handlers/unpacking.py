"""Importing what agentd exported: the session as it was, under its own id where that is free."""

import re
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from agentd.core.metadata import Metadata
from agentd.errors import AgentdError, ImportFailed
from agentd.importing import files
from agentd.importing.admitting import admitted
from agentd.importing.source import Content, Source, Wanted
from agentd.protocol import ImportParams, ImportResult
from agentd.session import OpenSession
from agentd.store.project import FileStore
from agentd.store.transfer.reading import Archive, is_archive
from agentd.store.transfer.unpacking import documents, unpacker
from agentd.workspace import Workspace

BEGINNING = 4096
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[a-z0-9-]{1,32}-[0-9a-f]{8})?")
LARGEST_DOCUMENT = 64 << 20


def archive_of(path: Path | None, content: str | None, stopped: files.Stopped, stack: ExitStack) -> Archive | None:
    """The archive in a file or a text; None for all else. ``stack`` keeps the file open. In a worker.

    Reading it raises RequestCancelled once ``stopped`` says so.
    """
    if path is None:
        source: Source = Content((content or "").encode("utf-8", "surrogatepass"))
    elif files.is_directory(path):
        return None
    else:
        source = stack.enter_context(files.opened(path))
    return Archive(Wanted(source, stopped)) if is_archive(source.read_at(BEGINNING, 0)) else None


async def unpacked(
    workspace: Workspace, environment: Mapping[str, str], archive: Archive, params: ImportParams
) -> ImportResult:
    """Raises ImportFailed when there is no session in it."""
    if params.format not in (None, "agentd"):
        raise ImportFailed(f"This is a session exported by agentd, not one of {params.format}.")
    store = workspace.store
    if not isinstance(store, FileStore):
        raise ImportFailed("This store takes in no sessions.")
    wanted = archive.session_id or ""
    taken = await anyio.to_thread.run_sync(store.has, wanted)
    session_id = wanted if not taken and _ID.fullmatch(wanted) else str(uuid.uuid4())
    models = frozenset(model.id for model in workspace.models.list(environment))
    warnings: list[str] = []

    def settled(said: Metadata) -> Metadata:
        known = admitted(said, store.has, models, warnings.append)
        return known if params.name is None else known.changed(name=params.name, name_source="user")

    await workspace.folder.ensure()
    log = await workspace.keep(store.receive(session_id, unpacker(archive, session_id, settled)))
    session = workspace.adopt(OpenSession.of(log))
    session.users += 1
    try:
        await _documents(workspace, archive, session_id)
        workspace.publish_session("session/created", session)
        before = (wanted,) if taken else ()
        return ImportResult(
            session=session.view(), format="agentd", warnings=(*archive.problems, *warnings), before=before
        )
    finally:
        session.users -= 1
        workspace.let_go(session)


async def _documents(workspace: Workspace, archive: Archive, session_id: str) -> None:
    for name, entry in documents(archive):
        data = await anyio.to_thread.run_sync(partial(archive.read, entry, LARGEST_DOCUMENT))
        try:
            if data is None:
                archive.problems.append(f"The document {name} is too large: left out.")
            else:
                await workspace.folder.create_document(session_id, name, data.decode("utf-8", "replace"))
        except AgentdError as error:
            archive.problems.append(f"The document {name} was left out: {error.message}")
