"""A workspace with a session in it, exported in this process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread

from agentd.config import Settings
from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.exporting import export
from agentd.models.catalog import ModelCatalog
from agentd.protocol import ExportParams, ExportResult, Published
from agentd.session import OpenSession
from agentd.store.project import FileStore
from agentd.store.transfer.reading import Archive
from agentd.store.transfer.source import Text
from agentd.store.transfer.unpacking import unpacker
from agentd.workspace import Workspace
from tests.store.support import TIME

ID = "8a3f2b1c-0d4e-4f5a-9b6c-7d8e9f0a1b2c"


@dataclass
class Somebody:
    """Who asks for an export."""

    id: int = 1
    name: str = "test"
    cwd: str = "/"
    gone: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/home/ann"})

    def publish(self, event: Published) -> None:
        """It does not listen."""


@dataclass
class Place:
    workspace: Workspace
    store: FileStore
    root: Path

    async def made(self, drafts: Sequence[Draft], **metadata: Any) -> str:
        """A session with these records; its id."""
        fields = {"id": ID, "created": TIME, "last_active": TIME, "last_turn": "completed", **metadata}
        log = await self.store.create(Metadata.model_validate(fields), drafts)
        await log.close()
        return log.id

    async def export(self, session_id: str, kind: str, **given: Any) -> ExportResult:
        params = ExportParams.model_validate({"sessionId": session_id, "format": kind, **given})
        return await export(self.workspace, Somebody(), params, "0.1.0")

    async def text(self, session_id: str, kind: str, **given: Any) -> str:
        content = (await self.export(session_id, kind, **given)).content
        assert content is not None
        return content

    async def opened(self, session_id: str) -> OpenSession:
        async with self.workspace.using(session_id) as session:
            session.users += 1
            return session

    async def imported(self, content: str) -> str:
        """A session made of an export; its id. Nothing in it was damaged."""
        archive = Archive(Text(content.encode()))
        assert archive.session_id is not None
        log = await self.store.receive(archive.session_id, unpacker(archive, archive.session_id, lambda said: said))
        assert not archive.problems
        await log.close()
        return archive.session_id

    def documents_of(self, session_id: str) -> Path:
        directory = self.root / ".agentd" / "sessions" / session_id
        directory.mkdir(parents=True, exist_ok=True)
        return directory


@asynccontextmanager
async def a_place(directory: Path) -> AsyncIterator[Place]:
    root = directory / "root"
    await anyio.to_thread.run_sync(lambda: root.mkdir(parents=True))
    store = FileStore(directory / "data" / "project", str(root))
    settings = Settings()
    workspace = Workspace(root, store, ModelCatalog(settings, directory / "data"), settings)
    await workspace.start()
    try:
        yield Place(workspace, store, root)
    finally:
        await workspace.close()
