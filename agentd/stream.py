"""A running turn on its way to the journal, then to the clients. No await: it is fed from the model's stream."""

import asyncio

from agentd.core.exchange import ModelEvent
from agentd.core.live import Ended, Grew, LiveTurn, Started
from agentd.errors import StoreFailed
from agentd.protocol import Event, Item, ItemDelta, ItemEnded, ItemStarted
from agentd.session import OpenSession
from agentd.workspace import Workspace


class Stream:
    """Carries a turn's changes to the journal, then to the clients. The first text in a step of the loop goes at once,
    before the model's connection is got ready for its next read; what follows in that step goes as one piece."""

    def __init__(self, workspace: Workspace, session: OpenSession, live: LiveTurn) -> None:
        self.live = live
        self.spoke = False
        self._workspace = workspace
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._item_id = ""
        self._parts: list[str] = []
        self._stepping = False
        self._failure: StoreFailed | None = None

    def feed(self, event: ModelEvent) -> None:
        """One model event. Raises StoreFailed when the journal could not take what came before."""
        change = self.live.feed(event)
        if change is None:
            return
        self.spoke = True
        if isinstance(change, Grew):
            self.check()
            self._item_id = change.item_id
            self._parts.append(change.text)
            if not self._stepping:
                self._stepping = True
                self._loop.call_soon(self._step)
                self.flush()
                self.check()
            return
        self.flush()
        self.check()
        self._whole(change)
        self.check()

    def _step(self) -> None:
        """The loop has gone round: what came after the first piece goes out."""
        self._stepping = False
        self.flush()

    def flush(self) -> None:
        """Journal and show what has come. Called by the loop, so it keeps its failure for ``check``."""
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        try:
            self._session.log.journal_delta(self.live.number, self._item_id, text)
        except StoreFailed as error:
            # What is shown all the same makes the turn whole for who looks at it: it goes no further than this.
            self._failure = error
        delta = ItemDelta(turn=self.live.number, item_id=self._item_id, text=text)
        self._workspace.publish(self._session, delta)

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def answered(self, item: Item) -> None:
        """A tool's call has its result."""
        self.live.replace(item)
        self._whole(Ended(item))
        self.check()

    def close(self) -> None:
        """The turn goes no further: what is open ends with what was streamed. Never raises."""
        self.flush()
        for change in self.live.cut():
            self._whole(change)

    def _whole(self, change: Started | Ended) -> None:
        turn, log = self.live.number, self._session.log
        event: Event
        match change:
            case Started(item):
                event, journal = ItemStarted(turn=turn, item=item), log.journal_start
            case _:
                item = change.item
                event, journal = ItemEnded(turn=turn, item=item), log.journal_end
        try:
            journal(turn, item)
        except StoreFailed as error:
            self._failure = error
        self._workspace.publish(self._session, event)
