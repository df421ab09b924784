"""One open session: what runs, what waits, and who listens. Changed on the event loop only, by plain functions.

Durable before visible: whoever changes a session first has the log write it, within ``order``, and then calls the
mutator here. Nothing in this module awaits or does I/O.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from agentd.core.live import LiveTurn
from agentd.core.metadata import Metadata, session_view
from agentd.core.records import Draft
from agentd.errors import SessionNotFound
from agentd.protocol import Item, Published, Session, SessionState, Turn
from agentd.store.api import QueuedPrompt, SessionLog

SNIPPET = 200
"""Characters of a prompt that lists show."""
REFS = 200
"""Prompts of a session that are known again when a client sends them a second time."""
SPEAKERS = {"prompt": "user", "text": "model", "tool": "model"}


class Peer(Protocol):
    """An attached client, as the workspace sees it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str:
        """What the client calls itself, empty when it does not say."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Key, endpoint, proxy and the like of the client's process; serves the turns that it prompts."""

    @property
    def cwd(self) -> str:
        """The client's working directory."""

    @property
    def gone(self) -> bool:
        """The connection is lost: what is cancelled now, nobody asked to cancel."""

    def publish(self, event: Published) -> None:
        """Hand an event over. Never blocks, never raises."""


@dataclass(slots=True)
class Subscription:
    """A client that listens. Its events are ``held`` until the answers to all its resumes are queued."""

    peer: Peer
    holds: int = 0
    held: list[Published] = field(default_factory=list)

    def send(self, event: Published) -> None:
        if self.holds:
            self.held.append(event)
        else:
            self.peer.publish(event)

    def release(self) -> None:
        """One answer is queued: after the last of them, what waited goes out."""
        self.holds -= 1
        if not self.holds:
            waiting, self.held = self.held, []
            for event in waiting:
                self.peer.publish(event)


@dataclass(slots=True, eq=False)
class OpenSession:
    """``order`` keeps changes of this session one after another. ``users`` counts requests and turns that need it open.

    ``newest`` is the number of the newest turn that clients know to be over. ``unsaved`` are records that a failed
    write left behind: they go before the next ones. ``environments`` are those of the clients whose prompts wait.
    ``begun`` are waiting prompts that are on record already, though the disk has them in the queue. ``refs`` are the
    turns of prompts that may be sent again, by the client's ref and the text; ``refs_read``: earlier turns were read.
    """

    log: SessionLog
    metadata: Metadata
    newest: int
    last: Turn | None
    order: anyio.Lock = field(default_factory=anyio.Lock)
    subscribers: dict[int, Subscription] = field(default_factory=dict)
    live: LiveTurn | None = None
    scope: anyio.CancelScope | None = None
    paused: bool = False
    users: int = 0
    unsaved: list[Draft] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    environments: dict[int, Mapping[str, str]] = field(default_factory=dict)
    waiters: dict[int, asyncio.Future[Turn]] = field(default_factory=dict)
    refs: dict[tuple[str, str], int] = field(default_factory=dict)
    refs_read: bool = False
    metadata_dirty: bool = False
    save_pending: bool = False
    deleted: bool = False

    @classmethod
    def of(cls, log: SessionLog) -> "OpenSession":
        """A session as it was opened. Prompts that waited when the daemon ended are offered, never run unasked."""
        last = log.last
        return cls(log, log.metadata, last.number if last else 0, last, paused=bool(log.queued))

    @property
    def id(self) -> str:
        return self.metadata.id

    @property
    def state(self) -> SessionState:
        if self.live is not None:
            return "running"
        return "queued" if self.waiting else "idle"

    @property
    def waiting(self) -> tuple[QueuedPrompt, ...]:
        """The prompts that wait, in order: without those that were begun and that a bad disk still has in the queue."""
        return tuple(prompt for prompt in self.log.queued if prompt.number not in self.begun)

    def with_unsaved(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """A page, with the newest turn as it ended, although its end is not on disk."""
        if not self.unsaved or self.last is None:
            return turns
        return tuple(self.last if turn.number == self.last.number else turn for turn in turns)

    @property
    def idle(self) -> bool:
        """Nobody needs it open."""
        return not (self.users or self.subscribers or self.live or self.unsaved or self.metadata_dirty)

    @property
    def next_number(self) -> int:
        """Numbers count from 1 and are never reused, not even those of prompts that were dropped."""
        return max(self.log.last_turn, self.newest, self.live.number if self.live else 0) + 1

    def view(self) -> Session:
        """What clients see."""
        live_background = self.live is not None and bool(self.live.start.background)
        waiting_background = any(prompt.background for prompt in self.waiting)
        return session_view(self.metadata, self.state, background=live_background or waiting_background)

    def queued_turns(self) -> tuple[Turn, ...]:
        return tuple(queued_turn(prompt) for prompt in self.waiting)

    def subscribe(self, peer: Peer, *, held: bool = False) -> Subscription:
        """Events of this session go to the peer from now on; ``held`` until ``release``, once for each such call."""
        found = self.subscribers.get(peer.id)
        if found is None:
            found = self.subscribers[peer.id] = Subscription(peer)
        found.holds += held
        return found

    def unsubscribe(self, peer_id: int) -> None:
        self.subscribers.pop(peer_id, None)

    def begin(self, live: LiveTurn, scope: anyio.CancelScope, settings: Mapping[str, str]) -> None:
        """A turn runs: its start is on disk, and with it the settings that its prompt named."""
        self.live, self.scope = live, scope
        self.remember(live.start)
        time, snippet = live.start.started, one_line(prompt_of(live.start) or "") or self.metadata.last_prompt
        first = self.metadata.first_message or snippet
        self.metadata = self.metadata.changed(
            **settings,
            last_active=time,
            last_prompt=snippet,
            first_message=first,
            turn_count=self.metadata.turn_count + counted(live.start),
        )

    def end(self, turn: Turn) -> None:
        """The turn is over: its end is on disk, or waits in ``unsaved``."""
        self.live, self.scope = None, None
        self.newest, self.last = turn.number, turn
        self.metadata = self.metadata_after(turn)

    def metadata_after(self, turn: Turn) -> Metadata:
        """The metadata once this turn, which runs now, is over."""
        usage = self.metadata.usage
        if turn.usage is not None:
            usage = usage.plus(turn.usage) if usage else turn.usage
        return self.metadata.changed(
            last_active=turn.ended or self.metadata.last_active,
            message_count=turn.messages or self.metadata.message_count,
            tool_count=self.metadata.tool_count + sum(1 for item in turn.items if item.kind == "tool"),
            usage=usage,
            last_turn=turn.status,
            unseen_turn=turn.number if turn.background else self.metadata.unseen_turn,
        )

    def catch_up(self) -> bool:
        """Count what a crash left uncounted: metadata is derived and written a moment after the turn that it counts."""
        turn, known = self.last, self.metadata
        if turn is None or turn.ended is None or known.last_active >= turn.ended:
            return False
        prompt = one_line(prompt_of(turn) or "") or known.last_prompt
        begun = known.last_active >= turn.started
        if not begun:
            named = {"model": turn.model, "mode": turn.mode, "profile": turn.profile}
            known = known.changed(**{key: value for key, value in named.items() if value is not None})
        if turn.usage is not None:
            known = known.changed(usage=known.usage.plus(turn.usage) if known.usage else turn.usage)
        if turn.background:
            known = known.changed(unseen_turn=turn.number)
        self.metadata = known.changed(
            tool_count=known.tool_count + sum(1 for item in turn.items if item.kind == "tool"),
            last_active=turn.ended,
            last_turn=turn.status,
            last_prompt=prompt,
            first_message=known.first_message or prompt,
            turn_count=known.turn_count + (not begun and counted(turn)),
            message_count=turn.messages or self.messages_after(turn),
        )
        return True

    def messages_after(self, turn: Turn) -> int:
        """Messages of the session once this turn is over."""
        return self.metadata.message_count + messages_of(turn)

    def remember(self, turn: Turn) -> None:
        """A prompt of this turn that is sent again is this turn."""
        prompts = [(turn.ref, prompt_of(turn)), *((item.ref, item.text) for item in turn.items)]
        for ref, text in prompts:
            if ref is not None and text is not None:
                self.refs[ref, text_digest(text)] = turn.number
        while len(self.refs) > REFS:
            del self.refs[next(iter(self.refs))]

    def delete(self) -> None:
        """It is gone from the disk: nothing of it is written any more, and who waits for a prompt of it is told."""
        self.deleted, self.metadata_dirty = True, False
        self.unsaved.clear()
        self.subscribers.clear()
        for waiting in self.waiters.values():
            if not waiting.done():
                waiting.set_exception(SessionNotFound(self.id))
                waiting.exception()  # read, so that nobody is told that nobody looked
        self.waiters.clear()

    def answer_waiting(self) -> None:
        """Nothing goes on by itself now: who waits for a prompt in the queue is told that it waits."""
        for prompt in self.waiting:
            future = self.waiters.pop(prompt.number, None)
            if future is not None and not future.done():
                future.set_result(queued_turn(prompt))

    def waiter(self, number: int) -> "asyncio.Future[Turn]":
        """Resolves with the turn of this number when it is over."""
        if number not in self.waiters:
            self.waiters[number] = asyncio.get_running_loop().create_future()
        return self.waiters[number]

    def follow(self, number: int, joined: int) -> None:
        """Who waits for the prompt of this number gets the turn that it became a part of."""
        self.environments.pop(number, None)
        waiting = self.waiters.pop(number, None)
        if waiting is not None:
            self.waiter(joined).add_done_callback(partial(_hand_on, waiting))

    def resolve(self, number: int, turn: Turn) -> None:
        """Tell who waits for this number."""
        self.environments.pop(number, None)
        waiting = self.waiters.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(turn)


def counted(turn: Turn) -> bool:
    """Whether a turn adds to the session's turns: one that only sends a prompt again, or compacts, does not."""
    return turn.retry_of is None and turn.compacted is None


def text_digest(text: str) -> str:
    """A prompt's text as a key: prompts may be long."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _hand_on(waiting: "asyncio.Future[Turn]", joined: "asyncio.Future[Turn]") -> None:
    if not waiting.done():
        waiting.set_result(joined.result())


def queued_turn(prompt: QueuedPrompt) -> Turn:
    """A waiting prompt as clients see it."""
    item = Item(id=f"{prompt.number}.1", kind="prompt", text=prompt.prompt, context=prompt.context or None)
    return Turn(
        number=prompt.number,
        status="queued",
        started=prompt.time,
        items=(item,),
        ref=prompt.ref,
        model=prompt.model,
        background=prompt.background or None,
    )


def messages_of(turn: Turn) -> int:
    """Messages that a turn adds: prompts, and each stretch of reply between them. A prompt sent again counts once."""
    if turn.compacted is not None:
        return 0
    speakers = [SPEAKERS[item.kind] for item in turn.items if item.kind in SPEAKERS]
    before = [None, *speakers]
    spoken = [who for who, last in zip(speakers, before, strict=False) if who == "user" or who != last]
    return len(spoken) - (turn.retry_of is not None)


def prompt_of(turn: Turn) -> str | None:
    """The text of the prompt that began a turn."""
    return next((item.text for item in turn.items if item.kind == "prompt"), None)


def one_line(text: str) -> str:
    """The beginning of a prompt, as lists show it."""
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else line[: SNIPPET - 1] + "…"
