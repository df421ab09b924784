"""Client: the typed face of a connection. One method for each row of METHODS; results are the protocol's own types."""

import asyncio
import logging
import uuid
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeVar

from pydantic import ValidationError

from agentd import protocol as p
from agentd.client.dial import Address
from agentd.client.failures import ConnectionLost
from agentd.client.link import Link, RequestHandlers
from agentd.client.streams import EventStream, TurnStream

R = TypeVar("R", bound=p.Wire)
log = logging.getLogger(__name__)


class Client:
    """A connection to the daemon of one root. Made by ``agentd.connect``.

    Every method raises the classes of ``agentd.errors`` for what the daemon refuses, and ConnectionLost when the
    connection ended; ``reconnect`` opens it anew. Sessions are named by id, unique name, or the beginning of an id.
    """

    def __init__(self, address: Address, *, handlers: RequestHandlers | None = None) -> None:
        self._address = address
        self._handlers = dict(handlers or {})
        self._link: Link | None = None
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self.root = ""
        self.server: dict[str, Any] = {}

    async def __aenter__(self) -> "Client":
        await self.reconnect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def reconnect(self) -> None:
        """A new connection in place of the old one, starting the daemon if it is gone. Resume sessions anew."""
        await self.close()
        self._link, self.root = await self._address.dial(on_event=self._take, handlers=self._handlers)
        self._link.closed.add_done_callback(lambda _: self._lose())
        answers = {"approve": "agentd/approve" in self._handlers, "save": "agentd/save" in self._handlers}
        self.server = await self._link.initialize(self.root, answers)

    async def close(self) -> None:
        """Leave; turns that run go on."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.lost is None

    async def request(self, method: str, params: p.Wire, result: type[R]) -> R:
        """Any method of METHODS, by its types; the helpers below are all made of it."""
        row = p.method_of(method)
        if row is None or row.params is not type(params) or row.result is not result:
            raise TypeError(f"no row of METHODS: {method} ({type(params).__name__}) → {result.__name__}")
        if self._link is None:
            raise ConnectionLost("Not connected to the agentd daemon")
        return result.model_validate(await self._link.request(method, params.dump()))

    def events(self) -> EventStream:
        """Every event that reaches this connection from now on, with its session's id."""
        stream = EventStream()
        if not self.connected:
            stream.lose(ConnectionLost("Not connected to the agentd daemon"))
        self._streams.add(stream)
        return stream

    def _take(self, params: dict[str, Any]) -> None:
        try:
            event = p.EventParams.model_validate(params)
        except ValidationError as error:  # a newer daemon's event costs this client that event
            log.debug("an event of a kind unknown here: %s", error)
            return
        for stream in tuple(self._streams):
            stream.put(event)

    def _lose(self) -> None:
        for stream in tuple(self._streams):
            stream.lose(ConnectionLost())
        self._streams.clear()

    # Chatting -------------------------------------------------------------------------------------------------------

    def chat(
        self,
        prompt: str,
        *,
        session: str | None = None,
        name: str | None = None,
        create: bool = False,
        context: Sequence[p.ContextItem] = (),
        model: str | None = None,
        profile: str | None = None,
        mode: p.Mode | None = None,
        background: bool = False,
        when_busy: p.WhenBusy = "queue",
        ref: str | None = None,
    ) -> TurnStream:
        """Send a prompt and stream its turn. Neither ``session`` nor ``name``: in a new session.

        ``name`` with ``create`` makes the session at its first use. ``ref`` (one's own id for this prompt) makes
        sending the same prompt again after a lost connection the same turn.
        """
        params = p.ChatParams(
            session_id=session, session_name=name, create=create, prompt=prompt, ref=ref or uuid.uuid4().hex,
            context=tuple(context), model=model, profile=profile, mode=mode, background=background,
            when_busy=when_busy,
        )  # fmt: skip

        def ours(event: p.Event) -> bool:
            if isinstance(event, p.TurnEvent):
                return event.turn.ref == params.ref
            if when_busy != "steer" or not isinstance(event, p.ItemStarted):
                return False
            return event.item.kind == "prompt" and event.item.text == prompt

        return TurnStream(self.events(), lambda: self.send(params), ours)

    async def send(self, params: p.ChatParams) -> p.SessionTurn:
        """Send a prompt and wait for its answer, without its events: at the turn's end, or once it is queued."""
        return await self.request("agentd/chat", params, p.SessionTurn)

    def retry(self, session: str) -> TurnStream:
        """The prompt of the failed or interrupted last turn again, in a new turn, streamed like a chat."""

        async def ask() -> p.SessionTurn:
            return await self.request("agentd/turn/retry", p.SessionParams(session_id=session), p.SessionTurn)

        def ours(event: p.Event) -> bool:
            return isinstance(event, p.TurnEvent) and event.turn.retry_of is not None

        return TurnStream(self.events(), ask, ours)

    async def interrupt(self, session: str, turn: int | None = None) -> p.Turn:
        """Stop the running turn (all that was streamed is kept), or drop the queued one of this number."""
        params = p.InterruptParams(session_id=session, turn=turn)
        return (await self.request("agentd/turn/interrupt", params, p.TurnResult)).turn

    async def detach(self, session: str) -> p.Turn:
        """The running turn goes to the background."""
        return (await self.request("agentd/turn/detach", p.SessionParams(session_id=session), p.TurnResult)).turn

    # Sessions -------------------------------------------------------------------------------------------------------

    async def new(self, name: str | None = None, **fields: Any) -> p.Session:
        """A session without a prompt; ``fields`` are those of NewParams."""
        return await self._session("agentd/session/new", p.NewParams(name=name, **fields))

    async def resume(self, session: str | None = None, limit: int = 50) -> p.ResumeResult:
        """Open a session (None: the active one used last), and have its events on this connection from here on."""
        params = p.ResumeParams(session_id=session, limit=limit)
        return await self.request("agentd/session/resume", params, p.ResumeResult)

    async def attach(self, session: str | None = None, limit: int = 50) -> tuple[p.ResumeResult, TurnStream | None]:
        """``resume``, and the events of the turn that is running, from where ``running`` in the result ends."""
        events = self.events()
        result = await self.resume(session, limit)
        if result.running is None:
            return result, None
        place = (result.session.id, result.running.number)
        return result, TurnStream(events, None, place=place, after=result.seq)

    async def leave(self, session: str) -> None:
        """No more events of this session."""
        await self.request("agentd/session/leave", p.SessionParams(session_id=session), p.Empty)

    async def turns(self, session: str, before: int | None = None, limit: int = 50) -> p.TurnsResult:
        """An older page of turns, those before turn ``before``."""
        params = p.TurnsParams(session_id=session, before=before, limit=limit)
        return await self.request("agentd/session/turns", params, p.TurnsResult)

    async def messages(self, session: str, *, details: bool = False) -> p.MessagesResult:
        """The conversation as messages of role and content, the system's first; ``details``: with times and usage."""
        params = p.MessagesParams(session_id=session, details=details)
        return await self.request("agentd/session/messages", params, p.MessagesResult)

    async def set_messages(self, messages: Sequence[dict[str, Any]], **fields: Any) -> p.Session:
        """The conversation is these messages from now on; ``fields`` are the others of SetMessagesParams."""
        params = p.SetMessagesParams(messages=tuple(messages), **fields)
        return await self._session("agentd/session/setMessages", params)

    async def sessions(self, **filters: Any) -> p.ListResult:
        """A page of the list; ``filters`` are the fields of ListParams."""
        return await self.request("agentd/session/list", p.ListParams(**filters), p.ListResult)

    async def show(self, session: str) -> p.ShowResult:
        return await self.request("agentd/session/show", p.SessionParams(session_id=session), p.ShowResult)

    async def fork(self, session: str, turn: int | None = None, name: str | None = None) -> p.Session:
        """A new session with the turns through ``turn`` (None: all that ended); the original stays as it is."""
        return await self._session("agentd/session/fork", p.ForkParams(session_id=session, turn=turn, name=name))

    async def rename(self, session: str, name: str) -> p.Session:
        return await self._session("agentd/session/name", p.NameParams(session_id=session, name=name))

    async def update(self, session: str, **fields: Any) -> p.Session:
        """Change what is given (the fields of UpdateParams), leave the rest."""
        return await self._session("agentd/session/update", p.UpdateParams(session_id=session, **fields))

    async def archive(self, session: str) -> p.Session:
        return await self._session("agentd/session/archive", p.SessionParams(session_id=session))

    async def restore(self, session: str) -> p.Session:
        return await self._session("agentd/session/restore", p.SessionParams(session_id=session))

    async def clear(self, session: str, *, keep: int | None = None, keep_system: bool = True) -> p.Session:
        """Earlier turns (but the last ``keep``) stay on disk and are no longer sent to the model."""
        params = p.ClearParams(session_id=session, keep=keep, keep_system=keep_system)
        return await self._session("agentd/session/clear", params)

    async def seen(self, session: str) -> p.Session:
        """Somebody has looked at what a background turn did."""
        return await self._session("agentd/session/seen", p.SessionParams(session_id=session))

    async def compact(self, session: str, *, keep_turns: int | None = None) -> p.Session:
        """A summary stands in for earlier turns (but the last ``keep_turns``); returns when it is made."""
        params = p.CompactParams(session_id=session, keep_turns=keep_turns)
        return await self._session("agentd/session/compact", params)

    async def delete(self, session: str, *, dry_run: bool = False) -> p.DeleteResult:
        """Delete a session for good, or say what that would free."""
        params = p.DeleteParams(session_id=session, confirm=not dry_run, dry_run=dry_run)
        return await self.request("agentd/session/delete", params, p.DeleteResult)

    async def cleanup(self, **which: Any) -> p.CleanupResult:
        """Delete sessions not used for long; ``which`` are the fields of CleanupParams: ``dry_run`` is on."""
        return await self.request("agentd/session/cleanup", p.CleanupParams(**which), p.CleanupResult)

    async def search(self, query: str, **filters: Any) -> p.SearchResult:
        """A page of hits; ``filters`` are the other fields of SearchParams."""
        return await self.request("agentd/session/search", p.SearchParams(query=query, **filters), p.SearchResult)

    async def stats(self, session: str | None = None) -> p.StatsResult:
        """Of a session, or of the project."""
        return await self.request("agentd/session/stats", p.StatsParams(session_id=session), p.StatsResult)

    async def export(
        self,
        session: str,
        kind: p.ExportFormat = "agentd",
        *,
        redact: bool = False,
        path: str | None = None,
        force: bool = False,
    ) -> p.ExportResult:
        """A session as one file: its content, or written to ``path`` by the daemon; ``force`` replaces a file there."""
        params = p.ExportParams(session_id=session, format=kind, redact=redact, path=path, force=force)
        return await self.request("agentd/session/export", params, p.ExportResult)

    async def import_session(
        self,
        *,
        uri: str | None = None,
        content: str | None = None,
        kind: p.ImportFormat | None = None,
        name: str | None = None,
    ) -> p.ImportResult:
        """A session made of a file, a directory or a text; its format is recognised."""
        params = p.ImportParams(uri=uri, content=content, format=kind, name=name)
        return await self.request("agentd/session/import", params, p.ImportResult)

    async def scan(self) -> p.ScanResult:
        """Other programs' transcripts of this project."""
        return await self.request("agentd/session/scan", p.Empty(), p.ScanResult)

    async def event_log(self, session: str, after: int = 0, limit: int = 200) -> p.EventsResult:
        """Lines of the session's event log, for debugging."""
        params = p.EventsParams(session_id=session, after=after, limit=limit)
        return await self.request("agentd/session/events", params, p.EventsResult)

    async def blob(self, session: str, digest: str) -> p.BlobResult:
        """A large output or an image of a session."""
        return await self.request("agentd/session/blob", p.BlobParams(session_id=session, hash=digest), p.BlobResult)

    async def documents(self, session: str) -> p.DocumentsResult:
        return await self.request("agentd/session/documents", p.SessionParams(session_id=session), p.DocumentsResult)

    async def create_document(self, session: str, name: str, text: str = "") -> p.CreateDocumentResult:
        """A new document of the session, a Markdown file."""
        params = p.CreateDocumentParams(session_id=session, name=name, text=text)
        return await self.request("agentd/session/createDocument", params, p.CreateDocumentResult)

    async def _session(self, method: str, params: p.Wire) -> p.Session:
        return (await self.request(method, params, p.SessionResult)).session

    # The daemon -----------------------------------------------------------------------------------------------------

    async def models(self) -> p.ModelsResult:
        return await self.request("agentd/models", p.Empty(), p.ModelsResult)

    async def profiles(self) -> p.ProfilesResult:
        return await self.request("agentd/profiles", p.Empty(), p.ProfilesResult)

    async def set_credentials(self, provider: str, key: str) -> None:
        """Keep a provider's API key; an empty one forgets it."""
        await self.request("agentd/credentials/set", p.CredentialsParams(provider=provider, key=key), p.Empty)

    async def status(self) -> p.StatusResult:
        return await self.request("agentd/status", p.Empty(), p.StatusResult)

    async def shutdown(self, *, only_idle: bool = False) -> None:
        """End the daemon; running turns are interrupted and saved. Returns when the connection has ended."""
        await self.request("agentd/shutdown", p.ShutdownParams(only_idle=only_idle), p.Empty)
        link = self._link
        if link is not None:
            await asyncio.shield(link.closed)
