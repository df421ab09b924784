"""A session as one file: takes what is there now, and has it written by workers, a piece at a time.

Never more of a session in memory than a page of its turns. The formats are ``store/transfer`` (ours, lossless) and
``rendering`` (to read and to process).
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import anyio.to_thread

from agentd import clock, paths
from agentd.core.fold import Streamed, ending_of
from agentd.core.metadata import Metadata, session_view
from agentd.core.private_places import Places
from agentd.core.records import Draft, turn_draft
from agentd.core.redaction import Redactor
from agentd.errors import InvalidParams, LoadFailed, StoreFailed
from agentd.protocol import ExportFormat, ExportParams, ExportResult, Problem, Redacted, Session, Turn
from agentd.rendering.writing import About, Document, Form, Heading, heading_of
from agentd.session import OpenSession, Peer
from agentd.store.files import Files, words
from agentd.store.transfer.archive import write_archive
from agentd.store.transfer.parts import Snapshot, parts_of, snapshot
from agentd.store.transfer.redacting import redacted_metadata, redacted_parts
from agentd.store.transfer.spool import Backwards
from agentd.store.transfer.target import Memory, NewFile, Target, already_there
from agentd.workspace import Workspace

PAGE = 20
PAGE_BYTES = 4 << 20
"""Of one page; a longer turn has its longest outputs cut, with a note (the lossless format has all of them)."""
LARGEST_DOCUMENT = 4 << 20
MOST_HEADINGS = 1000
ENDINGS = {"agentd": "agentd", "json": "json", "markdown": "md", "html": "html"}
RUNNING = "The session was exported while this turn was running. All that had arrived is here."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """A session as it was at one moment: what is durable, and the running turn as if it had been interrupted then."""

    session: OpenSession
    metadata: Metadata
    newest: int
    cut: Turn | None
    owed: tuple[Draft, ...]


async def export(workspace: Workspace, peer: Peer, params: ExportParams, version: str) -> ExportResult:
    """Raises InvalidParams (the path), TooLarge (no path, and too much), LoadFailed, StoreFailed."""
    redactor = Redactor(places_of(workspace, peer)) if params.redact else None
    async with workspace.using(params.session_id) as session:
        path = await _in_thread(_path, workspace, session.metadata, params)
        documents = [_place(one.uri) for one in await workspace.folder.documents(session.id)]
        target: Target = await _saving(NewFile, Files(), path, force=params.force) if path is not None else Memory()
        beside = path.parent if path is not None else None
        try:
            async with session.order:
                taken = take(session)
                taken_files = _files_of(taken, documents) if params.format == "agentd" else None
            if taken_files is not None:
                size = await _saving(_write_files, session.id, taken_files, redactor, target, beside)
            else:
                writing = Writing(form_of(params.format), target, redactor, version)
                size = await writing.write(taken, documents, beside)
            await _saving(target.finish)
        except BaseException:
            target.discard()
            raise
    removed = redactor.removed.items() if redactor is not None else ()
    return ExportResult(
        content=await _in_thread(target.text) if isinstance(target, Memory) else None,
        uri=path.as_uri() if path is not None else None,
        bytes=size,
        redacted=tuple(Redacted(kind=kind, count=count) for kind, count in sorted(removed) if count),
    )


def take(session: OpenSession) -> Taken:
    """On the loop, within ``session.order``: nothing of this session is being written."""
    if session.live is None:
        return Taken(session, session.metadata, session.newest, None, tuple(session.unsaved))
    now = clock.now()
    turn = session.live.ended("interrupted", now, Problem(kind="interrupted", message=RUNNING, retryable=True))
    turn = turn.model_copy(update={"messages": session.messages_after(turn)})
    recorded = session.log.last
    known = recorded if recorded is not None and recorded.number == turn.number else session.live.start
    *items, _ = ending_of(known, [Streamed(item, whole=True) for item in turn.items], now)
    metadata = session.metadata_after(turn)
    return Taken(session, metadata, session.newest, turn, (*session.unsaved, *items, turn_draft(turn)))


def places_of(workspace: Workspace, peer: Peer) -> Places:
    """Where things are that nobody else is to know."""
    home = peer.environment.get("HOME") or str(Path.home())
    data = paths.data_dir(os.environ)
    return Places(
        roots=_both(str(workspace.root)),
        homes=_both(home, str(Path.home())),
        data=_both(data, workspace.store.location),
    )


def form_of(kind: ExportFormat) -> Form:
    """Imported at its first use: a parser and colours take their time to load."""
    if kind == "html":
        from agentd.rendering.page import Page

        return Page()
    if kind == "markdown":
        from agentd.rendering.markdown import Markdown

        return Markdown()
    from agentd.rendering.plain import Plain

    return Plain()


class Writing:
    """One export in a readable form. Counts what it writes."""

    def __init__(self, form: Form, target: Target, redactor: Redactor | None, version: str) -> None:
        self._form = form
        self._target = target
        self._redactor = redactor
        self._version = version
        self._headings: list[Heading] = []
        self._size = 0

    async def write(self, taken: Taken, documents: Sequence[Path], beside: Path | None) -> int:
        """Pages are read from the newest to the oldest, and stand in the file the other way round."""
        spool = Backwards(beside)
        try:
            before: int | None = taken.newest + 1
            newer = [taken.cut] if taken.cut is not None else []
            while before is not None:
                page = await taken.session.log.page(before, PAGE, PAGE_BYTES)
                turns = [*taken.session.with_unsaved(page.turns), *newer]
                before, newer = page.before, []
                await _saving(self._add, spool, turns, before is None)
            await _saving(self._finish, spool, taken, documents)
        finally:
            spool.close()
        return self._size

    def _add(self, spool: Backwards, turns: Sequence[Turn], oldest: bool) -> None:
        """In a worker."""
        if self._redactor is not None:
            turns = [redacted_turn(self._redactor, turn) for turn in turns]
        pieces = [self._form.turn(turn, first=oldest and not place) for place, turn in enumerate(turns)]
        spool.add("".join(pieces).encode("utf-8", "replace"))
        if len(self._headings) < MOST_HEADINGS:
            self._headings += [heading_of(turn) for turn in reversed(turns)]

    def _finish(self, spool: Backwards, taken: Taken, documents: Sequence[Path]) -> None:
        """In a worker."""
        redactor, metadata = self._redactor, taken.metadata
        if redactor is not None:
            metadata = redacted_metadata(redactor, metadata)
        about = About(
            session=_shown(metadata),
            exported=clock.now(),
            version=self._version,
            documents=tuple(_document(path, redactor) for path in documents),
            headings=tuple(reversed(self._headings)),
        )
        self._put(self._form.opening(about).encode("utf-8", "replace"))
        spool.write_to(self._put)
        self._put(self._form.closing(about).encode("utf-8", "replace"))

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        self._target.write(data)


def redacted_turn(redactor: Redactor, turn: Turn) -> Turn:
    """A turn without secrets: its items field by field."""
    body = turn.dump()
    items = [redactor.body(item) for item in body.pop("items", [])]
    return Turn.model_validate({**redactor.body(body), "items": items})


def _shown(metadata: Metadata) -> Session:
    """As clients see it, and with what a sub-session was made from."""
    view = session_view(metadata, "idle")
    return view.model_copy(update={"config": metadata.config or None, "agent_overlay": metadata.agent_overlay or None})


def _files_of(taken: Taken, documents: Sequence[Path]) -> Snapshot:
    queued = taken.session.waiting
    return snapshot(taken.session.log, taken.metadata, queued=queued, owed=taken.owed, documents=documents)


def _write_files(
    session_id: str, taken: Snapshot, redactor: Redactor | None, target: Target, beside: Path | None
) -> int:
    """In a worker."""
    files = Files()
    if redactor is None:
        return write_archive(files, session_id, parts_of(files, taken), target.write)
    with tempfile.TemporaryDirectory(prefix=".agentd-", dir=beside) as directory:
        parts = redacted_parts(files, taken, redactor, Path(directory))
        return write_archive(files, session_id, parts, target.write)


def _document(path: Path, redactor: Redactor | None) -> Document:
    """In a worker. One that is too large, gone or no text is named all the same."""
    try:
        text: str | None = Files().small_file(path, LARGEST_DOCUMENT).decode()
    except (OSError, UnicodeDecodeError):
        text = None
    if redactor is None:
        return Document(path.name, text)
    return Document(redactor.text(path.name), redactor.text(text) if text is not None else None)


def _path(workspace: Workspace, metadata: Metadata, params: ExportParams) -> Path | None:
    """In a worker. The file to be written; raises InvalidParams for one that cannot be."""
    if params.path is None:
        return None
    path = Path(params.path)
    if not path.is_absolute() or "\0" in params.path:
        raise InvalidParams(f"path: '{params.path}' must be absolute")
    if path.is_dir():
        path = path / f"{file_name(metadata)}.{ENDINGS[params.format]}"
    if not path.parent.is_dir():
        raise InvalidParams(f"path: the directory '{path.parent}' does not exist")
    if path.parent.resolve().is_relative_to(Path(workspace.store.location).resolve()):
        raise InvalidParams("path: that is where agentd keeps its sessions; write the export elsewhere")
    if path.is_dir() or (not params.force and os.path.lexists(path)):
        raise already_there(path)
    return path


def file_name(metadata: Metadata) -> str:
    """Of an export: the session's name as far as it makes one, else its short id."""
    name = re.sub(r"[^\w.-]+", "-", metadata.name or "").strip("-.")
    while len(name.encode()) > 100:
        name = name[:-1]
    return name or metadata.id[:8]


def _place(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _both(*places: str) -> tuple[str, ...]:
    """Each path as it is and as it really is."""
    return tuple(dict.fromkeys(one for place in places for one in (place, os.path.realpath(place))))


async def _in_thread(work: Callable[..., T], *given: object) -> T:
    return await anyio.to_thread.run_sync(partial(work, *given))


async def _saving(work: Callable[..., T], *given: object, **named: object) -> T:
    """In a worker; what the disk refuses is told in the system's words."""
    return await anyio.to_thread.run_sync(partial(_told, partial(work, *given, **named)))


def _told(work: Callable[[], T]) -> T:
    with _words():
        return work()


@contextmanager
def _words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise LoadFailed(f"a file of it is gone: {words(error)}") from error
    except OSError as error:
        raise StoreFailed(words(error), "the export") from error
