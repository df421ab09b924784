"""What other clients do in the session that this chat is in: shown above the prompt, in whole blocks, as it happens."""

import asyncio
from typing import TYPE_CHECKING

from agentd.cli import output
from agentd.cli.interactive import past
from agentd.cli.interactive.chat import Chat
from agentd.cli.rows import short_id
from agentd.cli.showing import Drawn, about, left_out
from agentd.cli.target import title
from agentd.errors import AgentdError
from agentd.protocol import (
    EventParams,
    ItemDelta,
    ItemEnded,
    ItemStarted,
    Notice,
    ResumeResult,
    Session,
    SessionEvent,
    Turn,
    TurnEvent,
)

if TYPE_CHECKING:
    from agentd.cli.markdown import Blocks

ELSEWHERE = "elsewhere "


class Watcher:
    """Reads every event of the connection. A turn that was prompted here is left to whoever follows it."""

    def __init__(self, chat: Chat) -> None:
        """Events are kept for it from now on, whenever it is run."""
        self._chat = chat
        self._events = chat.client.events()
        self._seen = -1
        self._joining: asyncio.Task[None] | None = None
        self._kinds: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._blocks: Blocks | None = None
        self._begun = False

    async def run(self) -> None:
        """Until the connection ends: raises ConnectionLost."""
        try:
            async for params in self._events:
                self._take(params)
        finally:
            self._chat.watched = None
            if not self._chat.leaving:
                self._settle()

    def take_up(self, result: ResumeResult) -> None:
        """Show the turn that runs in the session that was just resumed, as far as it has come, and go on with it."""
        turn = result.running
        if turn is None or turn.ref in self._chat.refs or turn.ref in self._chat.quiet:
            return
        self._seen = result.seq
        self._started(result.session.id, turn)
        for item in turn.items:
            self._kinds[item.id] = item.kind
            if item.kind == "text" and self._blocks is not None:
                self._blocks.add(item.text or "")
                if item is not turn.items[-1]:
                    self._settle()

    def _take(self, params: EventParams) -> None:
        event = params.event
        session = self._chat.session
        if params.seq <= self._seen and session is not None and params.session_id == session.id:
            return
        if isinstance(event, Notice) and event.kind == "store":
            self._above(output.one_line(event.message))
        elif isinstance(event, SessionEvent):
            if session is not None and event.session.id == session.id:
                self._session_changed(event)
            else:
                self._other_changed(event.session)
        elif session is None or params.session_id != session.id:
            return
        elif isinstance(event, TurnEvent):
            self._turn(params.session_id, event)
        elif isinstance(event, Notice):
            if event.turn is None:
                self._above(event.message)
        elif self._chat.watched is not None and self._chat.watched == (params.session_id, getattr(event, "turn", None)):
            self._piece(event)

    def _session_changed(self, event: SessionEvent) -> None:
        before, self._chat.session = self._chat.session, event.session
        self._chat.on_change()
        if event.type == "session/deleted" and event.session.id in self._chat.deleted:
            return
        if event.type == "session/deleted":
            self._above("This session was deleted elsewhere. Your next prompt starts a new one.")
            self._chat.session = None
        elif before is not None and before.status != event.session.status == "archived":
            self._above("This session is archived.")

    def _other_changed(self, session: Session) -> None:
        """A session of the name that this chat waits for was made elsewhere: be in it. Else: a turn in the background
        has ended, and nobody has looked at it yet, which is told once."""
        if self._chat.session is None and self._chat.name is not None and session.name == self._chat.name:
            if self._chat.shown is None and self._joining is None:
                self._joining = asyncio.create_task(self._join(session))
            return
        if not session.unseen:
            self._unseen.discard(session.id)
        elif session.id not in self._unseen:
            self._unseen.add(session.id)
            how = "has ended" if session.last_turn in (None, "completed") else f"is {session.last_turn}"
            self._above(f"The background turn in '{title(session)}' {how}: /resume {short_id(session.id)}")

    async def _join(self, session: Session) -> None:
        try:
            result = await self._chat.client.resume(session.id, limit=0)
        except AgentdError:
            return
        finally:
            self._joining = None
        if self._chat.session is None and self._chat.name == session.name:
            self._chat.session = result.session
            self._chat.on_change()
            self.take_up(result)

    def _turn(self, session_id: str, event: TurnEvent) -> None:
        turn = event.turn
        if (session_id, turn.number) in self._chat.detached or turn.ref in self._chat.quiet:
            if event.type == "turn/ended":
                self._chat.detached.discard((session_id, turn.number))
                how = "" if turn.status == "completed" else f" ({turn.status})"
                self._above(f"Turn {turn.number} in the background has ended{how}: /resume {short_id(session_id)}")
            return
        retried_here = turn.retry_of is not None and self._chat.shown is not None
        if turn.ref in self._chat.refs or self._chat.following == turn.number or retried_here:
            return
        if event.type == "turn/started":
            self._started(session_id, turn)
        elif event.type == "turn/ended" and self._chat.watched == (session_id, turn.number):
            self._chat.watched = None
            self._settle()
            if turn.status != "completed":
                reason = f": {turn.error.message}" if turn.error and turn.status == "failed" else ""
                self._above(f"({turn.status}{reason})")
            output.line()

    def _started(self, session_id: str, turn: Turn) -> None:
        self._chat.watched = (session_id, turn.number)
        self._begin()
        if turn.compacted is not None:
            output.note(f"A summary is being written of the turns through {turn.compacted} …")
        else:
            past.show_prompt(past.prompt_of(turn), ELSEWHERE)
        for item in turn.items:
            for told in left_out(item):
                self._above(told)

    def _piece(self, event: object) -> None:
        if isinstance(event, ItemStarted):
            self._kinds[event.item.id] = event.item.kind
        elif isinstance(event, ItemDelta):
            if self._blocks is not None and self._kinds.get(event.item_id) == "text":
                self._blocks.add(event.text)
                self._show(self._blocks.finished())
        elif isinstance(event, ItemEnded):
            self._settle()
            self._above(about(event.item))

    def _begin(self) -> None:
        from agentd.cli.markdown import Blocks

        self._blocks, self._begun = Blocks(), False

    def _settle(self) -> None:
        if self._blocks is not None:
            self._show(self._blocks.rest())

    def _show(self, block: str) -> None:
        if not block.strip():
            return
        if self._begun:
            output.line()
        self._begun = True
        past.show_text(block)

    def _above(self, text: str | None) -> None:
        if not text:
            return
        if isinstance(self._chat.shown, Drawn):
            self._chat.shown.above(text)
        else:
            output.note(text)
