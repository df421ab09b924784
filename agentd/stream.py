"""A running turn on its way to the journal, then to the clients. No await: it is fed from the model's stream."""

import asyncio

from agentd.core.exchange import ModelEvent
from agentd.core.live import Ended, Grew, LiveTurn, Started
from agentd.errors import StoreFailed
from agentd.protocol import Item, ItemDelta, ItemEnded, ItemStarted
from agentd.session import OpenSession
from agentd.workspace import Workspace


class Stream:
    """Carries a turn's changes to the journal, then to the clients. Text that arrives in one step of the loop goes
    as one piece: at full speed that is most of it, and nobody reads faster than that."""

    def __init__(self, workspace: Workspace, session: OpenSession, live: LiveTurn) -> None:
        self.live = live
        self.spoke = False
        self._workspace = workspace
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._item_id = ""
        self._parts: list[str] = []
        self._failure: StoreFailed | None = None

    def feed(self, event: ModelEvent) -> None:
        """One model event. Raises StoreFailed when the journal could not take what came before."""
        change = self.live.feed(event)
        if change is None:
            return
        self.spoke = True
        if isinstance(change, Grew):
            if not self._parts:
                self._loop.call_soon(self.flush)
                self._item_id = change.item_id
            self._parts.append(change.text)
            return
        self.flush()
        self.check()
        self._whole(change)

    def flush(self) -> None:
        """Journal and show what has come. Called by the loop, so it keeps its failure for ``check``."""
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        try:
            self._session.log.journal_delta(self.live.number, self._item_id, text)
        except StoreFailed as error:
            self._failure = error
            return
        delta = ItemDelta(turn=self.live.number, item_id=self._item_id, text=text)
        self._workspace.publish(self._session, delta)

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def answered(self, item: Item) -> None:
        """A tool's call has its result."""
        self.live.replace(item)
        self._whole(Ended(item))

    def close(self) -> None:
        """The turn goes no further: what is open ends with what was streamed. Never raises."""
        self.flush()
        for change in self.live.cut():
            try:
                self._whole(change)
            except StoreFailed as error:
                self._failure = error

    def _whole(self, change: Started | Ended | Grew) -> None:
        turn = self.live.number
        match change:
            case Started(item):
                self._session.log.journal_start(turn, item)
                self._workspace.publish(self._session, ItemStarted(turn=turn, item=item))
            case Ended(item):
                self._session.log.journal_end(turn, item)
                self._workspace.publish(self._session, ItemEnded(turn=turn, item=item))
