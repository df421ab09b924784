"""The interactive chat's state: which session it is in, and what can be done with it. Draws nothing by itself."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from agentd.cli import firstrun, output
from agentd.cli.interactive import past
from agentd.cli.interactive.quiet import no_echo
from agentd.cli.oneshot import Ways, created, play
from agentd.cli.rows import short_id
from agentd.cli.showing import Showing, showing
from agentd.cli.target import resumed, title
from agentd.cli.wish import Wish
from agentd.client.streams import TurnStream
from agentd.client.typed import Client
from agentd.errors import AgentdError, AmbiguousSession, SessionNotFound
from agentd.protocol import ChatParams, Mode, ResumeResult, Session, Turn

WAYS = Ways(go_on="the next prompt", retry="/retry", resume="/resume", named=False)
SHOWN_TURNS = 3


@dataclass
class Chat:
    """``session`` is None until the first prompt makes it. ``refs`` are the prompts that were sent from here,
    ``following`` the number of a running turn that was sent elsewhere and is shown as if it were ours, ``watched`` the
    place of one that is shown above the prompt, ``detached`` those that this chat has sent to the background;
    ``quiet`` are the refs of prompts that were sent there at once, ``deleted`` the sessions that were deleted here;
    ``told_of`` is the one that a daemon's end interrupted, which is said once.
    """

    client: Client
    wish: Wish
    session: Session | None = None
    name: str | None = None
    model: str | None = None
    mode: Mode | None = None
    profile: str | None = None
    refs: set[str] = field(default_factory=set)
    following: int | None = None
    watched: tuple[str, int] | None = None
    detached: set[tuple[str, int]] = field(default_factory=set)
    quiet: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    told_of: tuple[str, int] | None = None
    stopping: asyncio.Task[None] | None = None
    shown: Showing | None = None
    leaving: bool = False
    on_change: Callable[[], None] = lambda: None

    @property
    def label(self) -> str:
        """What the prompt line shows in brackets."""
        return title(self.session) if self.session else self.name or "new"

    async def say(self, prompt: str) -> None:
        """Send a prompt and show its turn."""
        await firstrun.prepare(self.client, self.session, None if self.session else self.model)
        ref = uuid.uuid4().hex
        self.refs.add(ref)
        made = self.name if self.session is None else None
        stream = self.client.chat(
            prompt,
            session=self.session.id if self.session else None,
            name=None if self.session else self.name,
            create=self.session is None and self.name is not None,
            model=None if self.session else self.model,
            profile=None if self.session else self.profile,
            mode=None if self.session else self.mode,
            when_busy=self.wish.when_busy,
            ref=ref,
        )
        await self.follow(stream, made=made)

    async def say_in_background(self, prompt: str) -> None:
        """Send a prompt whose turn is not shown; its end is told."""
        await firstrun.prepare(self.client, self.session, None if self.session else self.model)
        ref = uuid.uuid4().hex
        self.quiet.add(ref)
        session = self.session
        params = ChatParams(
            session_id=session.id if session else None, session_name=None if session else self.name,
            create=session is None and self.name is not None, prompt=prompt, ref=ref, background=True,
            model=None if session else self.model, profile=None if session else self.profile,
            mode=None if session else self.mode,
        )  # fmt: skip
        answer = await self.client.send(params)
        if session is None and self.name:
            output.note(created(self.name))
        self.session = answer.session
        output.note(f"Turn {answer.turn.number} runs in the background. Its end is told here; /resume "
                    f"{short_id(answer.session.id)} shows it.")  # fmt: skip

    async def retry(self, session: Session) -> None:
        await firstrun.prepare(self.client, session, None)
        await self.follow(self.client.retry(session.id))

    async def follow(self, stream: TurnStream, so_far: Turn | None = None, *, made: str | None = None) -> None:
        """Show a turn until it ends; afterwards the session is the one it was in."""
        self.shown = shown = showing()
        if so_far is not None:
            shown.so_far(so_far)
        try:
            with no_echo():
                await play(self.client, stream, shown, WAYS, made=made)
        finally:
            self.shown = None
            if stream.place is not None and stream.turn is not None and stream.turn.status == "running":
                self.detached.add(stream.place)
            if stream.session is not None:
                self.session = stream.session
        output.line()

    async def open(self, session: str | None) -> None:
        """Go into a session, show its last turns, and follow the one that runs."""
        result, running = await self.client.attach(session, SHOWN_TURNS)
        await self.enter(result.session)
        output.note(resumed(result.session))
        past.show(result)
        if running is not None:
            output.note("This turn is running (Ctrl-C stops it):")
            past.show_running(result)
            self.following = running.place[1] if running.place else None
            await self.follow(running, result.running)
            self.following = None

    async def enter(self, session: Session | None, name: str | None = None) -> None:
        """Be in this session, or in one that the next prompt makes; no more events of the one before."""
        before, self.session, self.name = self.session, session, name
        if before is not None and (session is None or session.id != before.id):
            await self.client.leave(before.id)

    async def exists(self, name: str) -> bool:
        try:
            await self.client.show(name)
        except SessionNotFound:
            return False
        except AmbiguousSession:
            return True
        return True

    async def reopen(self) -> ResumeResult | None:
        """After a new connection: be in the same session, and say what became of the turn that ran."""
        if self.session is None:
            return None
        result = await self.client.resume(self.session.id, limit=1)
        self.session = result.session
        for turn in result.turns:
            place = (result.session.id, turn.number)
            if turn.status == "interrupted" and result.running is None and self.told_of != place:
                self.told_of = place
                output.note(f"Turn {turn.number} was interrupted. What was streamed is kept; /retry sends it again.")
        self.on_change()
        return result

    def stop_watched(self) -> bool:
        """Stop the turn that is shown above the prompt, whoever sent it; False: there is none."""
        if self.watched is None:
            return False
        self.stopping = asyncio.create_task(self._stop(*self.watched))
        return True

    async def _stop(self, session: str, turn: int) -> None:
        try:
            await self.client.interrupt(session, turn)
        except AgentdError as error:
            output.note(f"The turn could not be stopped: {error.message}")

    def farewell(self) -> str | None:
        """What to say at the end."""
        if self.session is None:
            return None
        return f"Session '{title(self.session)}' is kept: agentd session resume {short_id(self.session.id)}"
