"""What the store's tests share: a store in a directory, turns as the workspace writes them, and a disk that fails."""

import errno
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agentd.core.metadata import Metadata
from agentd.core.records import Draft, item_draft, turn_draft
from agentd.protocol import Item, Turn
from agentd.store.api import SessionLog
from agentd.store.files import Files
from agentd.store.project import FileStore
from agentd.store.session_log import FileSessionLog

TIME = "2026-01-02T03:04:05.678Z"


class FailingFiles(Files):
    """A disk that fails when told. ``fails[name] = (after, error)``: the call after that many good ones, and all later.

    A failing write leaves half of its bytes behind, as a full disk does.
    """

    def __init__(self) -> None:
        self.fails: dict[str, tuple[int, int]] = {}
        self.calls: list[str] = []

    def _check(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            after, error = self.fails[name]
            if after <= 0:
                raise OSError(error, os.strerror(error))
            self.fails[name] = (after - 1, error)

    def write(self, fd: int, data: bytes) -> None:
        try:
            self._check("write")
        except OSError:
            super().write(fd, data[: len(data) // 2])
            raise
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._check("sync")
        super().sync(fd)

    def sync_directory(self, path: Path) -> None:
        self._check("sync_directory")
        super().sync_directory(path)

    def create(self, path: Path) -> int:
        self._check("create")
        return super().create(path)

    def append_to(self, path: Path, *, create: bool = False) -> int:
        self._check("append_to")
        return super().append_to(path, create=create)

    def truncate_open(self, fd: int, size: int) -> None:
        self._check("truncate")
        super().truncate_open(fd, size)

    def link(self, source: Path, target: Path) -> None:
        self._check("link")
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._check("unlink")
        super().unlink(path)


FULL = errno.ENOSPC
BROKEN = errno.EIO


@asynccontextmanager
async def a_store(directory: Path, files: Files | None = None) -> AsyncIterator[FileStore]:
    store = FileStore(directory / "project", str(directory / "root"), files=files)
    try:
        await store.start()
        yield store
    finally:
        await store.close()


def new_metadata(session_id: str | None = None) -> Metadata:
    return Metadata(id=session_id or str(uuid.uuid4()), created=TIME, last_active=TIME)


async def a_session(store: FileStore, drafts: Sequence[Draft] = ()) -> FileSessionLog:
    return ours(await store.create(new_metadata(), drafts))


def ours(log: SessionLog) -> FileSessionLog:
    assert isinstance(log, FileSessionLog)
    return log


def a_turn(number: int, state: str = "running", /, **fields: object) -> Turn:
    return Turn.model_validate({"number": number, "status": state, "started": TIME, **fields})


def start_of(number: int, prompt: str = "", **fields: object) -> list[Draft]:
    return [turn_draft(a_turn(number, "running", **fields)), item_draft(number, prompt_item(number, prompt))]


def end_of(number: int, *texts: str, status: str = "completed", **fields: object) -> list[Draft]:
    items = [Item(id=f"{number}.{place}", kind="text", text=text) for place, text in enumerate(texts, 2)]
    end = turn_draft(a_turn(number, status, ended=TIME, **fields))
    return [*(item_draft(number, item) for item in items), end]


def whole_turn(number: int, prompt: str = "", reply: str = "") -> list[Draft]:
    return [*start_of(number, prompt), *end_of(number, reply or f"reply {number}")]


def prompt_item(number: int, prompt: str = "") -> Item:
    return Item(id=f"{number}.1", kind="prompt", text=prompt or f"prompt {number}")


def texts(turn: Turn | None) -> list[str | None]:
    assert turn is not None
    return [item.text for item in turn.items]


def numbers(turns: Sequence[Turn]) -> list[int]:
    return [turn.number for turn in turns]
