"""What the index's tests share: sessions with words in them, and what lists and searches say."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentd.core.metadata import Metadata
from agentd.core.records import Draft, item_draft, turn_draft
from agentd.core.words import terms_of
from agentd.protocol import Item, ListParams, Session, Turn, Usage
from agentd.store.files import Files
from agentd.store.finding import TextHit
from agentd.store.index.database import NAME
from agentd.store.project import FileStore

TIME = "2026-01-02T03:04:05.678Z"


@asynccontextmanager
async def opened(path: Path, files: Files | None = None) -> AsyncIterator[FileStore]:
    """A store that is started, and closed at the end."""
    store = FileStore(path / "project", "/root-of-the-work", files=files)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def index_file(path: Path) -> Path:
    return path / "project" / NAME


def sessions(path: Path) -> Path:
    return path / "project" / "sessions"


def metadata(name: str | None = None, **fields: Any) -> Metadata:
    times = {"created": TIME, "last_active": TIME}
    return Metadata(**{"id": str(uuid.uuid4()), "name": name, **times, **fields})


def turn(number: int, prompt: str, reply: str = "", *items: Item, **fields: Any) -> tuple[Draft, ...]:
    """A whole turn's records."""
    start = Turn(number=number, status="running", started=TIME, model="m1", **fields)
    end = start.model_copy(update={"status": "completed", "usage": Usage(input_tokens=10, output_tokens=2)})
    said = [Item(id=f"{number}.1", kind="prompt", text=prompt), *items]
    said += [Item(id=f"{number}.9", kind="text", text=reply)] if reply else []
    return (turn_draft(start), *(item_draft(number, item) for item in said), turn_draft(end))


async def make(store: FileStore, name: str | None, *texts: str, **fields: Any) -> str:
    """A session with a turn for each text, closed again."""
    drafts = [draft for number, text in enumerate(texts, 1) for draft in turn(number, text)]
    log = await store.create(metadata(name, **fields), drafts)
    await log.close()
    return log.id


async def names(store: FileStore, **asked: Any) -> list[str | None]:
    page = await store.index.page(ListParams(**asked))
    return [Session.model_validate_json(row.json).name for row in page.rows]


async def found(store: FileStore, query: str, **asked: Any) -> list[TextHit]:
    await store.index.use()  # until all is read
    values = {"status": "all", "limit": 50, **asked}
    return list((await store.index.search(terms_of(query), values["status"], values["limit"])).hits)


async def places(store: FileStore, query: str) -> list[tuple[str, int, str]]:
    return [(hit.row.id, hit.turn, hit.kind) for hit in await found(store, query)]


def marked(hit: TextHit) -> list[str]:
    return [hit.snippet[start:end] for start, end in hit.marks]
