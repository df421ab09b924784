"""The owner: who may change what. Holds the open sessions, the attached clients and the open documents of one root.

The event loop is the lock: what changes state here is a plain function. Reading and writing the disk is the store's,
running turns is ``turns.py``'s. Requests become calls of these methods in ``server/handlers``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio

from agentd.config import Settings, config_dir
from agentd.context import Screen
from agentd.core.documents import OpenDocuments
from agentd.core.metadata import Metadata, session_view
from agentd.core.prices import PriceTable
from agentd.core.records import Draft
from agentd.errors import AgentdError, StoreFailed
from agentd.finding import Finding
from agentd.folder import ProjectFolder
from agentd.models.api import Catalog
from agentd.profiles import Profiles
from agentd.protocol import (
    DocumentInfo,
    DocumentsChanged,
    Event,
    EventParams,
    Notice,
    Published,
    Session,
    SessionEvent,
)
from agentd.resends import Resends
from agentd.session import OpenSession, Peer, prompt_of, text_digest
from agentd.store.api import Store
from agentd.tasks import Tasks

T = TypeVar("T")
logger = logging.getLogger(__name__)
PAGE = 50
"""Turns that are read at once."""


class Workspace:
    """One root's sessions, clients and documents. Made and used on the event loop."""

    def __init__(
        self, root: Path, store: Store, models: Catalog, settings: Settings, profiles: Profiles | None = None
    ) -> None:
        self.root = root
        self.store = store
        self.models = models
        self.settings = settings
        self.profiles = profiles or Profiles(config_dir() / "agents")
        self.prices = PriceTable(settings.prices)
        self.tasks = Tasks()
        self.documents = OpenDocuments()
        self.screen = Screen(root, self.documents)
        self.folder = ProjectFolder(root)
        self.peers: dict[int, Peer] = {}
        self.sessions: dict[str, OpenSession] = {}
        self.saving = True
        self._not_saving = ""
        self.closing = False
        self._closing: dict[str, asyncio.Future[None]] = {}
        self._opening: dict[str, asyncio.Future[OpenSession]] = {}
        self._recovering: list[asyncio.Future[None]] = []
        self.finding = Finding(store, self.sessions, self.recovered)
        self.resends = Resends()
        self._seq = 0
        self.naming = anyio.Lock()
        """Held while a name is looked up and a session made under it, so that a name is made once."""

    @property
    def seq(self) -> int:
        """Of the newest event."""
        return self._seq

    @property
    def busy(self) -> bool:
        """A turn runs."""
        return any(session.live is not None for session in self.sessions.values())

    async def start(self) -> None:
        """Tidy the store, end turns that a crash cut off, and watch the session documents."""
        cut_off = await self.store.start()
        self.store.index.watch(lambda kind, view: self.publish_view(f"session/{kind}", view))
        for session_id in cut_off:
            self._recovering.append(self.tasks.owned(self._recover(session_id)))
        await self.folder.watch(self._documents_changed)

    async def close(self) -> None:
        """Interrupt what runs, wait until it is saved, and close the files."""
        self.closing = True
        self.tasks.end_asides()
        for session in self.sessions.values():
            if session.scope is not None:
                session.scope.cancel()
        await self.tasks.finished()
        for session in self.sessions.values():
            session.answer_waiting()
        self.folder.close()
        for session in list(self.sessions.values()):
            async with session.order:
                if session.unsaved:
                    with suppress(StoreFailed):
                        await self.write(session, ())
                await self._flush_metadata(session)
            await session.log.close()
        self.sessions.clear()
        await self.store.close()
        await self.models.close()

    # Clients

    def attach(self, peer: Peer) -> None:
        self.peers[peer.id] = peer
        if not self.saving:
            event = Notice(kind="saving", message=self._not_saving, ok=False)
            peer.publish(Published(EventParams(seq=self._seq, event=event)))

    def detach(self, peer: Peer) -> None:
        """The client is gone. What it prompted runs on."""
        self.peers.pop(peer.id, None)
        self.documents.dropped(peer.id)
        for session in list(self.sessions.values()):
            session.unsubscribe(peer.id)
            self.let_go(session)

    def publish(self, session: OpenSession, event: Event) -> None:
        """To every client that listens to this session."""
        self._seq += 1
        if session.subscribers:
            published = self._published(session.metadata, event)
            for subscription in session.subscribers.values():
                subscription.send(published)

    def publish_session(self, kind: str, session: OpenSession) -> None:
        """``session/created``, ``/changed`` and the like: to every client, so that lists stay fresh."""
        self.publish_view(kind, session.view(), session)

    def publish_view(self, kind: str, view: Session, session: OpenSession | None = None) -> None:
        """The same, of a session that is perhaps not open."""
        self._seq += 1
        event = SessionEvent.model_validate({"type": kind, "session": view})
        self._publish_everywhere(self._published(view, event), session)

    def notice(self, kind: str, message: str, *, ok: bool | None = None, session: OpenSession | None = None) -> None:
        """Something that every client should know, of a session perhaps."""
        self._seq += 1
        event = Notice.model_validate({"kind": kind, "message": message, "ok": ok})
        params = EventParams(seq=self._seq, session_id=session.id if session else None, event=event)
        self._publish_everywhere(Published(params), session)

    def _publish_everywhere(self, published: Published, session: OpenSession | None = None) -> None:
        for peer in self.peers.values():
            subscription = session.subscribers.get(peer.id) if session else None
            (subscription.send if subscription else peer.publish)(published)

    def _published(self, of: Metadata | Session, event: Event) -> Published:
        return Published(EventParams(seq=self._seq, session_id=of.id, parent_id=of.parent_id, event=event))

    # Sessions

    async def everything(self, only: Collection[str] | None = None) -> Sequence[Metadata]:
        """The metadata of every session, as it stands in this daemon: reads every file. Or ``only`` of these."""
        await self.recovered()
        before = list(self.sessions.values())  # one that is closed meanwhile was perhaps written after it was read
        kept = {metadata.id: metadata for metadata in await self.store.list_metadata(only)}
        kept |= {session.id: session.metadata for session in before if not session.deleted}
        kept |= {session.id: session.metadata for session in self.sessions.values()}
        return [one for one in kept.values() if only is None or one.id in only]

    async def views(self) -> list[Session]:
        """Every session as clients see it."""
        return [
            self.sessions[metadata.id].view() if metadata.id in self.sessions else session_view(metadata, "idle")
            for metadata in await self.everything()
        ]

    async def find(self, asked: str) -> str:
        """The id of the session that a person means by an id, a name or an id's beginning."""
        return await self.finding.find(asked)

    @asynccontextmanager
    async def using(self, asked: str) -> AsyncIterator[OpenSession]:
        """The session, open as long as the block runs."""
        session_id = await self.find(asked)
        session = await self._open(session_id)
        while self.sessions.get(session_id) is not session:
            session = await self._open(session_id)  # its last user closed it between its opening and our turn
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            self.let_go(session)

    @asynccontextmanager
    async def using_new(self, metadata: Metadata) -> AsyncIterator[OpenSession]:
        """A session that is made now, open as long as the block runs. Its creation is published.

        A sub-session's is told as a fork, the word of the systems that have them.
        """
        await self.folder.ensure()
        session = self.adopt(OpenSession.of(await self.keep(self.store.create(metadata, ()))))
        session.users += 1
        try:
            self.publish_session("session/forked" if metadata.parent_id else "session/created", session)
            yield session
        finally:
            session.users -= 1
            self.let_go(session)

    def adopt(self, session: OpenSession) -> OpenSession:
        """A session that was just made joins the open ones."""
        self.sessions[session.id] = session
        return session

    async def write(self, session: OpenSession, drafts: Sequence[Draft]) -> None:
        """Write records, after those that a failed write left behind. Raises StoreFailed, and tells every client."""
        await self.keep(session.log.append([*session.unsaved, *drafts]))
        session.unsaved.clear()

    async def keep(self, writing: Awaitable[T]) -> T:
        """Wait until this is on disk. When that fails every client is told, and when it works again."""
        try:
            kept = await writing
        except StoreFailed as error:
            if not error.refused:
                self._saving(False, error.message)
            raise
        self._saving(True)
        return kept

    async def forget(self, session: OpenSession, number: int) -> None:
        """A prompt that was begun leaves the queue. If the disk does not take that now, it does after a later one."""
        session.begun.add(number)
        for begun in sorted(session.begun):
            try:
                await self.keep(session.log.dequeue(begun))
            except StoreFailed:
                return
            session.begun.discard(begun)

    async def save(self, session: OpenSession, **values: Any) -> None:
        """Write what somebody decided about a session, then show it. Within ``session.order``.

        Applied to what the metadata is by then: others may have counted something meanwhile.
        """
        await self.keep(session.log.save_metadata(session.metadata.changed(**values)))
        session.metadata = session.metadata.changed(**values)
        self.publish_session("session/changed", session)

    def save_soon(self, session: OpenSession) -> None:
        """Write derived metadata (counts, last prompt) off the path of whoever waits."""
        session.metadata_dirty = True
        if not session.save_pending:
            session.save_pending = True
            self.tasks.spawn(self._save_in_order(session))

    async def _save_in_order(self, session: OpenSession) -> None:
        # It stays open until it is written: who lists meanwhile must not be told what the file says.
        session.users += 1
        try:
            async with session.order:
                session.save_pending = False
                await self._flush_metadata(session)
        finally:
            session.users -= 1
            self.let_go(session)

    async def _flush_metadata(self, session: OpenSession) -> None:
        """What the disk does not take stays to be written, and the session open, until it does."""
        if not session.metadata_dirty:
            return
        session.metadata_dirty = False
        try:
            await self.keep(session.log.save_metadata(session.metadata))
        except StoreFailed as error:
            session.metadata_dirty = not error.refused

    async def _write_left_behind(self, session: OpenSession) -> None:
        async with session.order:
            if session.unsaved:
                with suppress(StoreFailed):
                    await self.write(session, ())
        self.save_soon(session)

    async def _open(self, session_id: str) -> OpenSession:
        """Opened once, however many ask at the same time."""
        if session_id in self.sessions:
            return self.sessions[session_id]
        if session_id not in self._opening:
            self._opening[session_id] = self.tasks.owned(self._load(session_id))
        return await asyncio.shield(self._opening[session_id])

    async def _load(self, session_id: str) -> OpenSession:
        try:
            if session_id in self._closing:
                await asyncio.shield(self._closing[session_id])
            session = OpenSession.of(await self.store.open(session_id))
            await self._forget_begun(session)
            self.adopt(session)
        finally:
            self._opening.pop(session_id, None)
        if session.catch_up():
            traits = self.models.traits(session.metadata.model) if session.metadata.model else None
            if traits is not None:
                session.metadata = session.metadata.changed(provider=traits.provider)
            self.publish_session("session/changed", session)
            self.save_soon(session)
        for problem in session.log.problems:
            logger.warning("session %s: %s", session_id[:8], problem)
            self.notice("store", f"Session '{session_id[:8]}': {problem}")
        return session

    async def _forget_begun(self, session: OpenSession) -> None:
        """A crash between a waiting prompt's start and its leaving the queue left it in both: it is not run twice."""
        if session.waiting:
            oldest = session.waiting[0].number
            begun: set[int | None] = set()
            before: int | None = session.newest + 1
            while before is not None:
                page = await session.log.page(before, PAGE)
                newer = [turn for turn in page.turns if turn.number >= oldest]
                for turn in newer:
                    begun |= {turn.queued, *(item.queued for item in turn.items)}
                before = page.before if len(newer) == len(page.turns) else None
            for prompt in session.waiting:
                if prompt.number in begun:
                    await self.forget(session, prompt.number)
        session.paused = bool(session.waiting)

    def let_go(self, session: OpenSession) -> None:
        """Close a session that nobody needs open, so that memory follows use."""
        if session.idle and not self.closing and self.sessions.get(session.id) is session:
            del self.sessions[session.id]
            self._closing[session.id] = self.tasks.owned(self._close(session))

    async def _close(self, session: OpenSession) -> None:
        try:
            await session.log.close()
        finally:
            self._closing.pop(session.id, None)

    async def _recover(self, session_id: str) -> None:
        """A turn that a crash cut off is ended as interrupted, with all that was streamed of it."""
        try:
            session = await self._open(session_id)
        except AgentdError as error:
            logger.warning("session %s was not recovered: %s", session_id[:8], error.message)
            return
        logger.info("session %s: its last turn was interrupted by the end of the daemon", session.id[:8])
        turn = session.last
        if turn is not None and turn.ref is not None and turn.number == 1:
            self.resends.remember((turn.ref, text_digest(prompt_of(turn) or "")), session.id)
        self.let_go(session)

    async def recovered(self) -> None:
        """Until what a crash cut off is ended: nobody is shown a session as it was half a turn ago."""
        if self._recovering:
            await asyncio.wait(self._recovering)
            self._recovering.clear()

    def _saving(self, works: bool, reason: str = "") -> None:
        if works == self.saving:
            return
        self.saving = works
        self._not_saving = f"Not saving: {reason}. What is shown is kept in memory only."
        message = "Saving works again." if works else self._not_saving
        logger.log(logging.INFO if works else logging.ERROR, "%s", message)
        self.notice("saving", message, ok=works)
        if works:
            for session in self.sessions.values():
                if session.unsaved or session.metadata_dirty:
                    self.tasks.spawn(self._write_left_behind(session))

    def _documents_changed(self, session_id: str) -> None:
        """Called on the event loop by the watch on ``.agentd/``."""
        self.tasks.spawn(self.publish_documents(session_id))

    async def publish_documents(self, session_id: str) -> None:
        """Count a session's documents and tell who listens."""
        with suppress(AgentdError):  # a directory that is no session's, or a session that cannot be read
            async with self.using(session_id) as session:
                if session.id == session_id:
                    self.documents_counted(session, await self.folder.documents(session_id))

    def documents_counted(self, session: OpenSession, documents: tuple[DocumentInfo, ...]) -> None:
        """A session's documents have changed: who listens is told which there are, everybody how many."""
        self.publish(session, DocumentsChanged(documents=documents))
        if session.metadata.file_count != len(documents):
            session.metadata = session.metadata.changed(file_count=len(documents))
            self.publish_session("session/changed", session)
            self.save_soon(session)
