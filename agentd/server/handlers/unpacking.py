"""Importing what agentd exported: the session as it was, under its own id where that is free."""

import re
import uuid
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from agentd.errors import AgentdError, ImportFailed
from agentd.importing import files
from agentd.importing.source import Content
from agentd.protocol import ImportParams, ImportResult
from agentd.session import OpenSession
from agentd.store.project import FileStore
from agentd.store.transfer.reading import Archive, is_archive
from agentd.store.transfer.unpacking import documents, unpacker
from agentd.workspace import Workspace

BEGINNING = 4096
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[a-z0-9-]{1,32}-[0-9a-f]{8})?")
LARGEST_DOCUMENT = 64 << 20


def archive_of(path: Path | None, content: str | None, stack: ExitStack) -> Archive | None:
    """The archive in a file or a text; None for all else. ``stack`` keeps the file open. In a worker."""
    if path is None:
        data = (content or "").encode("utf-8", "surrogatepass")
        return Archive(Content(data)) if is_archive(data[:BEGINNING]) else None
    if files.is_directory(path):
        return None
    source = stack.enter_context(files.opened(path))
    return Archive(source) if is_archive(source.read_at(BEGINNING, 0)) else None


async def unpacked(workspace: Workspace, archive: Archive, params: ImportParams) -> ImportResult:
    """Raises ImportFailed when there is no session in it."""
    if params.format not in (None, "agentd"):
        raise ImportFailed(f"This is a session exported by agentd, not one of {params.format}.")
    store = workspace.store
    if not isinstance(store, FileStore):
        raise ImportFailed("This store takes in no sessions.")
    known = {one.id for one in await workspace.everything()}
    wanted = archive.session_id or ""
    session_id = wanted if wanted and wanted not in known and _ID.fullmatch(wanted) else str(uuid.uuid4())
    before = (wanted,) if wanted in known else ()
    await workspace.folder.ensure()
    log = await workspace.keep(store.receive(session_id, unpacker(archive, session_id)))
    session = workspace.adopt(OpenSession.of(log))
    session.users += 1
    try:
        if params.name is not None:
            async with session.order:
                await workspace.save(session, name=params.name, name_source="user")
        await _documents(workspace, archive, session_id)
        workspace.publish_session("session/created", session)
        warnings = (*archive.problems, *_brought(session))
        return ImportResult(session=session.view(), format="agentd", warnings=warnings, before=before)
    finally:
        session.users -= 1
        workspace.let_go(session)


def _brought(session: OpenSession) -> list[str]:
    """What of a file that somebody else may have made decides how the session goes on."""
    known, said = session.metadata, []
    if known.mode == "edit":
        said.append("It comes in mode 'edit': files are changed without asking. `agentd session update` changes that.")
    if known.agent_overlay.get("system"):
        said.append("It brings a system prompt of its own: `agentd session show` has it.")
    return said


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
