"""Agent: many sessions under names of one's own, each prompted by ``chat``; their messages are at hand, and may be set.

Owns what it remembers of each session. All that is asynchronous of it runs on the private thread (``runner``), so that
``get_session`` needs no ``await``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from agentd import paths
from agentd.api import storing
from agentd.api.builtin import context_simple, loop_basic, provider_anthropic
from agentd.api.connecting import Mounted, connected_client
from agentd.api.failures import SessionClosed
from agentd.api.modules import SessionStorage
from agentd.api.provided import OneModel
from agentd.api.runner import elsewhere, wait
from agentd.api.turning import Shown, ended, run_turn
from agentd.client.typed import Client
from agentd.core.role_messages import Message, check_messages, reply_text
from agentd.errors import InvalidParams, SessionNotFound
from agentd.models.api import Model
from agentd.protocol import Session, Turn
from agentd.store.api import Store

_OTHERS = ("ollama", "groq", "gemini", "openai", "azure")


class ChatSession:
    """One of an agent's sessions. Made by ``Agent.get_session``.

    ``messages`` is a list of role and content, which may be changed in any way or assigned: what it says by the next
    ``chat`` is what the model is told. ``created_at`` and ``last_activity`` are datetimes, local time without a zone.
    ``metadata`` is a mapping of the caller's own, saved with the next ``chat``.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._messages: list[Message] = []
        self.metadata: dict[str, Any] = {}
        self.created_at = self.last_activity = datetime.now()
        self.id: str | None = None
        """The session's own id, once it is on disk."""
        self._saved: list[Message] = []
        self._saved_metadata: dict[str, Any] = {}

    @property
    def messages(self) -> list[Message]:
        """What the model is told with the next prompt. The list may be changed."""
        return self._messages

    @messages.setter
    def messages(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._messages = [dict(message) for message in messages]

    def add_message(self, message: Mapping[str, Any]) -> None:
        """Append a message with ``role`` and ``content``. Raises InvalidParams for what is none."""
        check_messages([message])
        self.messages.append(dict(message))
        self.last_activity = datetime.now()

    def clear_history(self, keep_system: bool = True) -> None:
        """Forget all messages but, with ``keep_system``, those of the system. What is on disk stays there."""
        self.messages = [message for message in self.messages if keep_system and message["role"] == "system"]
        self.last_activity = datetime.now()

    @property
    def changed(self) -> bool:
        """The messages or the metadata are not those that are saved."""
        return self.messages != self._saved or self.metadata != self._saved_metadata

    def take(self, session: Session, messages: Sequence[Message]) -> None:
        """What is on disk now. The list that a caller holds is brought up to date, not replaced."""
        self.id = session.id
        self._saved = [dict(message) for message in messages]
        self._messages[:] = [dict(message) for message in messages]
        self._saved_metadata, self.metadata = dict(session.metadata), dict(session.metadata)
        self.created_at = storing.local_time(session.created)
        self.last_activity = storing.local_time(session.last_active)


@dataclass(frozen=True, slots=True)
class _Reply:
    """A turn, and the session after it."""

    turn: Turn
    session: Session
    messages: tuple[Message, ...]
    saved: tuple[Message, ...]


class Agent:
    """Chats in any number of sessions, each under a name of one's own, which makes it at its first use.

    ``llm``: a model's id for the Messages API, ``local`` (the embedded one), a ``Model`` of one's own, or None (the
    daemon's default). ``api_key`` and ``endpoint`` (a URL that speaks the Messages API) go before the environment's.
    ``root``: the project's (None: found from the current directory). With a ``store`` or a ``Model`` the agent works
    in this process, on that store, until ``close``; otherwise its sessions are the project's, as editors see them.
    ``session_manager``: saved to after each turn, and asked for sessions that are not known yet.
    """

    def __init__(
        self,
        llm: str | Model | None = None,
        *,
        api_key: str | None = None,
        endpoint: str | None = None,
        root: Path | str | None = None,
        store: Store | None = None,
        session_manager: SessionStorage | None = None,
    ) -> None:
        """Connects to nothing yet. Raises InvalidParams for the name of a provider where a model's is needed."""
        if isinstance(llm, str) and llm.lower() in _OTHERS:
            raise InvalidParams(
                f"llm: '{llm}' is a provider, and agentd takes a model: give its id, and as endpoint the URL where it "
                "is served by the Messages API, as Ollama and LiteLLM do: Agent(llm='qwen3', "
                "endpoint='http://localhost:11434', api_key='ollama')"
            )
        config = {"model": llm if isinstance(llm, str) else None, "api_key": api_key, "base_url": endpoint}
        hosted = provider_anthropic({key: value for key, value in config.items() if value is not None})
        own = () if llm is None or isinstance(llm, str) else (OneModel(llm),)
        self._mounted = Mounted(loop_basic({}), context_simple({}), None if own else hosted, own)
        self._root = Path(root if root is not None else paths.find_root(str(Path.cwd()))).resolve()
        self._store = store
        self._manager = session_manager
        self._sessions: dict[str, ChatSession] = {}
        self._orders: dict[str, anyio.Lock] = {}
        self._opening = anyio.Lock()
        self._kept: Client | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def chat(self, prompt: str, session_id: str = "default") -> str:
        """Send a prompt to the session of this name, and wait for the reply's text (Markdown).

        Prompts of one session are taken one after another. Raises what ``AgentSession.execute`` raises. Cancelled, it
        interrupts the turn; what was streamed is kept.
        """
        session = await self._known(session_id)
        reply = await elsewhere(self._chat(session, prompt))
        session.take(reply.session, reply.messages)
        if self._manager is not None:
            data = storing.session_data(reply.session, list(reply.saved), session_id)
            await storing.save(self._manager.save_session, data)
        return reply_text(ended(reply.turn))

    def get_session(self, session_id: str = "default") -> ChatSession:
        """The session of this name: as it is on disk, unless it was changed here; a new, empty one when there is none.

        Works inside and outside a running event loop. Raises LoadFailed, SessionClosed.
        """
        session = self._sessions.get(session_id) or ChatSession(session_id)
        if not session.changed:
            found = wait(self._find(session_id))
            if found is not None:
                session.take(*found)
            elif self._manager is not None and session.id is None:
                session.messages = _loaded(self._manager, session_id) or []
        return self._sessions.setdefault(session_id, session)

    def load_default_tools(self) -> list[str]:
        """The names of the tools that chats can use from now on: none, as this version runs no tools yet."""
        return []

    async def close(self) -> None:
        """Let go of a store in this process; running turns are interrupted and saved. May be called twice."""
        self._closed = True
        kept, self._kept = self._kept, None
        if kept is not None:
            await elsewhere(kept.close())

    async def _known(self, session_id: str) -> ChatSession:
        session = self._sessions.get(session_id)
        if session is None:
            session = ChatSession(session_id)
            found = await elsewhere(self._find(session_id))
            if found is not None:
                session.take(*found)
            elif self._manager is not None:
                session.messages = await storing.load(self._manager.load_session, session_id) or []
            session = self._sessions.setdefault(session_id, session)
        return session

    async def _chat(self, session: ChatSession, prompt: str) -> _Reply:
        async with self._order(session.session_id), self._client() as client:
            name = session.session_id
            if session.changed:
                model, metadata = self._mounted.model, session.metadata
                made = await client.set_messages(
                    session.messages, session_name=name, create=True, model=model, metadata=metadata
                )
                session.id = made.id
            stream = await run_turn(client, prompt, Shown(None), name=name, model=self._mounted.model)
            assert stream.turn is not None
            assert stream.place is not None
            session.id = stream.place[0]
            plain = await client.messages(session.id)
            saved = plain
            if self._manager is not None and not storing.takes_messages(self._manager.save_session):
                saved = await client.messages(session.id, details=True)
            return _Reply(stream.turn, plain.session, plain.messages, saved.messages)

    async def _find(self, session_id: str) -> tuple[Session, tuple[Message, ...]] | None:
        async with self._client() as client:
            try:
                told = await client.messages(session_id)
            except SessionNotFound:
                return None
            known = session_id.strip() in (told.session.id, told.session.name)
            return (told.session, told.messages) if known else None

    def _order(self, session_id: str) -> anyio.Lock:
        return self._orders.setdefault(session_id, anyio.Lock())

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """In this process one client for all; to the daemon one for each call, so that nothing is left open."""
        if self._closed:
            raise SessionClosed("This agent was closed: make a new one.")
        if self._store is None and not self._mounted.providers:
            client = await connected_client(self._root, self._mounted, None)
            try:
                yield client
            finally:
                await client.close()
            return
        async with self._opening:
            if self._kept is None:
                self._kept = await connected_client(self._root, self._mounted, self._store)
        yield self._kept


def _loaded(manager: SessionStorage, session_id: str) -> list[Message] | None:
    """From synchronous code. A manager may be bound to the caller's thread: only a coroutine of its goes elsewhere."""
    found = manager.load_session(session_id)

    async def load() -> list[Message] | None:
        return await storing.load(lambda _: found, session_id)

    return wait(load())
