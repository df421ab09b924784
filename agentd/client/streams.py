"""Events as async iterators: all of a connection's, or those of one turn until it ended."""

import asyncio
import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from agentd.client.failures import ConnectionLost
from agentd.errors import AgentdError
from agentd.protocol import Event, EventParams, Notice, Published, Session, SessionEvent, SessionTurn, Turn, TurnEvent

ENDED = frozenset({"completed", "interrupted", "failed"})


class EventStream:
    """``async for params in client.events()``: every event since it was made; raises ConnectionLost at the end.

    Deltas of one item that wait together are merged, so that a slow reader holds each character once.
    """

    def __init__(self) -> None:
        self._waiting: deque[EventParams] = deque()
        self._wake = asyncio.Event()
        self._lost: ConnectionLost | None = None

    def put(self, params: EventParams) -> None:
        merged = Published(self._waiting[-1]).merged(Published(params)) if self._waiting else None
        if merged is None:
            self._waiting.append(params)
        else:
            self._waiting[-1] = merged.params
        self._wake.set()

    def lose(self, lost: ConnectionLost) -> None:
        self._lost = lost
        self._wake.set()

    def wake(self) -> None:
        """Let who waits look again at what else it waits for."""
        self._wake.set()

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> EventParams:
        event = await self.next_unless(lambda: False)
        assert event is not None
        return event

    async def next_unless(self, done: Callable[[], bool]) -> EventParams | None:
        """The next event; None once there is none left and ``done`` says that no more is wanted."""
        while not self._waiting:
            if done():
                return None
            if self._lost is not None:
                raise ConnectionLost(self._lost.message)
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()


class TurnStream:
    """``async for event in client.chat(…)``: the typed events of one turn, ``turn/ended`` the last of them.

    A prompt that waits in a queue that was paused ends with that notice: ``turn.status`` is ``queued`` then.

    ``session`` and ``turn`` hold what is known of them so far, ``place`` the session's id and the turn's number,
    ``envelope`` the last event with its session and sequence number. Leaving the loop early detaches: the turn goes on.
    """

    def __init__(
        self,
        events: EventStream,
        request: Callable[[], Coroutine[Any, Any, SessionTurn]] | None,
        ours: Callable[[Event], bool] = lambda _event: False,
        *,
        place: tuple[str, int] | None = None,
        after: int = -1,
    ) -> None:
        """``ours`` knows the turn by its first event; without ``request`` it is the one at ``place``, after ``seq``."""
        self.session: Session | None = None
        self.turn: Turn | None = None
        self.place = place
        self.envelope: EventParams | None = None
        self._events = events
        self._request = request
        self._ours = ours
        self._after = after
        self._asking: asyncio.Task[SessionTurn] | None = None
        self._answer: SessionTurn | None = None
        self._done = False

    def __aiter__(self) -> "TurnStream":
        return self

    async def __anext__(self) -> Event:
        if self._done:
            await self._take_answer()
            raise StopAsyncIteration
        while True:
            params = await self._next()
            if params is None:
                return self._ended_unseen()
            event = self._of_this_turn(params)
            if event is not None:
                self.envelope = params
                return event

    async def _next(self) -> EventParams | None:
        """The next event; None when the answer says that the turn has ended and no event is left to say so."""
        if self._request is None:
            return await self._events.__anext__()
        if self._asking is None:
            self._asking = asyncio.create_task(self._request())
            self._asking.add_done_callback(_waking(self._events))
        if self._answer is None:
            params = await self._events.next_unless(self._asking.done)
            if params is not None:
                return params
            self._answer = answer = self._asking.result()  # raises what the daemon answered
            self.session, self.turn = answer.session, answer.turn
            self.place = (answer.session.id, answer.turn.number)
        return None if self._answer.turn.status in ENDED else await self._events.__anext__()

    async def _take_answer(self) -> None:
        """It follows the turn's end at once, and knows the session as it is after the turn."""
        if self._asking is None or self._answer is not None:
            return
        with contextlib.suppress(AgentdError):  # the end itself has been seen
            self._answer = await self._asking
            self.session, self.turn = self._answer.session, self._answer.turn

    def _of_this_turn(self, params: EventParams) -> Event | None:
        event = params.event
        if params.seq <= self._after:
            return None
        if isinstance(event, SessionEvent):
            if self.place is not None and event.session.id == self.place[0]:
                self.session = event.session
            return None
        number = event.turn.number if isinstance(event, TurnEvent) else getattr(event, "turn", None)
        if self.place is None and params.session_id is not None and number is not None and self._ours(event):
            self.place = (params.session_id, number)
        if self.place is None or params.session_id != self.place[0]:
            return None
        if isinstance(event, TurnEvent) and event.turn.queued == self.place[1] and event.type == "turn/started":
            self.place = (self.place[0], event.turn.number)  # others overtook it while it waited
        if number not in (None, self.place[1]):
            return None
        if isinstance(event, Notice) and event.kind == "queue":
            # Nothing goes on by itself now: a prompt that waits in the queue is answered so, and has no end to wait for
            self._done = self.turn is not None and self.turn.status == "queued"
        if isinstance(event, TurnEvent):
            self.turn = event.turn
            self._done = event.type == "turn/ended"
        return event

    def _ended_unseen(self) -> Event:
        """A prompt that was sent again after a lost connection may have ended before: its end is told all the same."""
        if self.turn is None:
            raise AgentdError("The daemon answered without a turn")
        self._done = True
        event = TurnEvent(type="turn/ended", turn=self.turn)
        self.envelope = EventParams(seq=0, session_id=self.place and self.place[0], event=event)
        return event


def _waking(events: EventStream) -> Callable[[asyncio.Task[SessionTurn]], None]:
    """What the answer does. It holds nothing: a stream that was left is forgotten, with all that waits in it."""
    held = weakref.ref(events)

    def answered(asking: asyncio.Task[SessionTurn]) -> None:
        if not asking.cancelled():
            asking.exception()  # looked at: a failed request whose stream was left is nobody's news
        waiting = held()
        if waiting is not None:
            waiting.wake()

    return answered
