"""AgentSession: one session for a program, prompt by prompt. A client of the daemon, or of a workspace in this process.

Owns its connection. The session itself, what runs in it and what is kept of it are the daemon's.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agentd import paths
from agentd.api import storing
from agentd.api.connecting import Mounted, connected_client, mount
from agentd.api.failures import SessionClosed
from agentd.api.modules import ApprovalSystem, DisplaySystem, ModuleLoader, SessionStorage
from agentd.api.plan import read_plan
from agentd.api.turning import Shown, ended, run_turn
from agentd.client.streams import EventStream
from agentd.client.typed import Client
from agentd.core.metadata import without_secrets
from agentd.core.role_messages import Message
from agentd.errors import InvalidParams, SessionBusy, SessionNotFound
from agentd.protocol import ContextItem, Session, Turn
from agentd.store.api import Store

_AN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[a-z0-9-]+-[0-9a-f]{8})*")


class AgentSession:
    """A session that a program prompts.

        async with agentd.AgentSession(config) as session:
            response = await session.execute("What is 2 + 2?")

    ``config`` is a mount plan: {session: {orchestrator, context, profile?, name?}, providers: [{module, source?,
    config?}], tools: [], agents: {}}; None: the daemon's defaults. ``loader`` supplies modules before installed
    packages are asked.
    ``session_id`` names a session to go on with, by id or name; a name that no session has makes one of that name.
    ``parent_id`` makes the session a child of that one: ``session/forked`` is published, and all of its events carry
    ``parentId``. ``display_system`` is shown the reply as it is streamed. ``approval_system`` is asked before what the
    session's mode does not allow by itself: nothing yet, as this version runs no tools.

    ``root`` is the project's root, ``working_dir`` a directory in it (None: the current one, and the root that it
    belongs to). With a ``store`` or a ``loader`` of the caller's own, or models that an installed package provides,
    the session runs in this process, on that store (None: an in-memory one, gone with this object); cleanup closes
    the store. Otherwise it is one of the daemon's: editors see it, live, and it outlives the program.
    ``session_manager`` is saved to after each turn, and asked for a ``session_id`` that is not known yet.

    One ``execute`` at a time; any number of objects, in any number of programs, may prompt the same session.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        loader: ModuleLoader | None = None,
        session_id: str | None = None,
        parent_id: str | None = None,
        approval_system: ApprovalSystem | None = None,
        display_system: DisplaySystem | None = None,
        *,
        root: Path | str | None = None,
        store: Store | None = None,
        working_dir: Path | str | None = None,
        session_manager: SessionStorage | None = None,
    ) -> None:
        """Connects to nothing yet. Raises InvalidParams that names the wrong keys of ``config``."""
        self._plan = read_plan(config)
        if self._plan.agents and parent_id is None:
            raise InvalidParams("config.agents: laid over a parent's configuration, so it needs a parent_id")
        self._config = dict(config or {})
        self._loader = loader
        self._asked = session_id
        self._parent = parent_id
        self.approval_system = approval_system
        self._display = display_system
        self._folder = Path(working_dir if working_dir is not None else root or ".").resolve()
        self._root = Path(root).resolve() if root is not None else Path(paths.find_root(str(self._folder)))
        for key, place in (("working_dir", self._folder), ("root", self._root)):
            if not place.is_dir():
                raise InvalidParams(f"{key}: {place} is not a directory")
        self._store = store
        self._manager = session_manager
        self._mounted: Mounted | None = None
        self._client: Client | None = None
        self._session: Session | None = None
        self._over = False
        self._executing = False

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cleanup()

    @property
    def session_id(self) -> str:
        """The session's id. Raises SessionClosed before ``initialize()``."""
        return self.session.id

    @property
    def parent_id(self) -> str | None:
        """The parent's id, as the session has it."""
        return self.session.parent_id

    @property
    def session(self) -> Session:
        """What is known of the session: name, model, counts, as of its last turn here."""
        if self._session is None:
            raise SessionClosed("The session is not open: await initialize(), or use `async with`.")
        return self._session

    @property
    def root(self) -> Path:
        """The project's root."""
        return self._root

    async def initialize(self) -> None:
        """Load the plan's modules, and open or make the session. Once is enough: a second call does nothing.

        Raises UnknownModule, ModuleFailed and InvalidParams for the plan, DaemonUnavailable, SessionNotFound.
        """
        if self._over:
            raise SessionClosed("This session object was cleaned up: make a new one with its session_id.")
        if self._client is not None:
            return
        mounted = mount(self._plan, self._loader)
        client = await connected_client(self._root, mounted, self._store, own=self._loader is not None)
        try:
            self._session = await self._open(client, mounted)
        except BaseException:
            await client.close()
            self._over = self._store is not None
            raise
        self._client, self._mounted = client, mounted

    async def execute(self, prompt: str) -> str:
        """Send a prompt and wait for the reply's text (Markdown).

        Raises TurnFailed for a turn that ended without a whole reply (the prompt is kept), SessionBusy while another
        ``execute`` of this object runs, SessionArchived, SessionClosed, InvalidParams for an empty prompt. Cancelled,
        it interrupts the turn; what was streamed is kept.
        """
        client, mounted = self._opened()
        if self._executing:
            raise SessionBusy("This object is executing a prompt: await that first, or use a second AgentSession.")
        self._executing = True
        try:
            if not client.connected:
                await client.reconnect()  # the daemon ended meanwhile: a new one has the session
            return await mounted.orchestrator.execute(prompt, self)
        finally:
            self._executing = False
            await self._refresh(client)

    async def turn(self, prompt: str, context: Sequence[ContextItem] = ()) -> Turn:
        """One turn, as orchestrators run it (see ``TurnRunner``); programs call ``execute``."""
        client, mounted = self._opened()
        if not self._executing:
            raise SessionBusy("turn() is for orchestrators, while execute() runs.")
        gathered = await mounted.context.gather(prompt)
        named = mounted.model if mounted.model != self.session.model else None
        stream = await run_turn(
            client,
            prompt,
            Shown(self._display),
            session=self.session.id,
            context=[*gathered, *context],
            model=named,
        )
        self._session = stream.session or self._session
        if self._manager is not None:
            await self._save(client, self._manager)
        return ended(stream.turn)

    async def messages(self) -> list[Message]:
        """The conversation as messages of role and content, the system's first."""
        client, _ = self._opened()
        return list((await client.messages(self.session.id)).messages)

    def events(self) -> EventStream:
        """Every event from now on, with its session's and its parent's id: ``async for params in session.events()``."""
        client, _ = self._opened()
        return client.events()

    async def cleanup(self) -> None:
        """Let go of the session, and close what was opened for it. What is saved stays. May be called twice."""
        self._over = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self, client: Client, mounted: Mounted) -> Session:
        if self._asked is not None:
            try:
                return (await client.show(self._asked)).session
            except SessionNotFound:
                if _AN_ID.fullmatch(self._asked):
                    raise
        messages = None
        if self._asked is not None and self._manager is not None:
            messages = await storing.load(self._manager.load_session, self._asked)
        spec = self._plan.session
        session = await client.new(
            self._asked or spec.name,
            model=mounted.model,
            profile=spec.profile,
            parent_id=self._parent,
            config=without_secrets(self._config) if self._parent else {},
            agent_overlay=self._plan.agents.get(spec.profile or "", {}),
            working_dir=str(self._folder),
        )
        if messages:
            session = await client.set_messages(messages, session_id=session.id)
        return session

    async def _save(self, client: Client, manager: SessionStorage) -> None:
        details = not storing.takes_messages(manager.save_session)
        told = await client.messages(self.session.id, details=details)
        data = storing.session_data(told.session, list(told.messages), self._asked)
        await storing.save(manager.save_session, data)

    async def _refresh(self, client: Client) -> None:
        """What the failed turn made of the session is not known from its stream."""
        if client.connected and self._session is not None and not _cancelling():
            self._session = (await client.show(self._session.id)).session

    def _opened(self) -> tuple[Client, Mounted]:
        if self._client is None or self._mounted is None:
            done = "was cleaned up" if self._over else "is not initialized: await initialize(), or use `async with`"
            raise SessionClosed(f"This session object {done}.")
        return self._client, self._mounted


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def create_session(
    working_dir: Path | str | None = None,
    *,
    model: str | None = None,
    session_id: str | None = None,
    session_manager: SessionStorage | None = None,
    display_system: DisplaySystem | None = None,
    store: Store | None = None,
) -> AgentSession:
    """A session that is open already: ``await session.execute(…)``, and at the end ``await session.cleanup()``.

    ``working_dir`` is the session's directory (None: the current one); its project is found from it. ``model`` is an
    id for the Messages API, or ``local``. Raises what ``AgentSession.initialize`` raises.
    """
    module = "provider-local" if model == "local" else "provider-anthropic"
    config = {} if module == "provider-local" else {"model": model}
    session = AgentSession(
        {"providers": [{"module": module, "config": config}]} if model else None,
        session_id=session_id,
        display_system=display_system,
        store=store,
        working_dir=working_dir,
        session_manager=session_manager,
    )
    await session.initialize()
    return session
