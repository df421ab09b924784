"""The daemon's notifications: one envelope, ``agentd/event``, and the closed set of events that it carries."""

from typing import Annotated, Literal

from pydantic import Field

from agentd.protocol.base import JsonObject, Wire
from agentd.protocol.shapes import DocumentInfo, Item, Session, Turn, Usage


class SessionEvent(Wire):
    """Sent to every connection of the root, so that lists stay fresh."""

    type: Literal["session/created", "session/changed", "session/deleted", "session/forked"]
    session: Session


class TurnEvent(Wire):
    type: Literal["turn/queued", "turn/started", "turn/ended"]
    turn: Turn


class ItemStarted(Wire):
    type: Literal["item/started"] = "item/started"
    turn: int
    item: Item


class ItemDelta(Wire):
    """A piece of an item's text: all of them joined in order are the text of its ``item/ended``, exactly."""

    type: Literal["item/delta"] = "item/delta"
    turn: int
    item_id: str
    text: str


class ItemEnded(Wire):
    type: Literal["item/ended"] = "item/ended"
    turn: int
    item: Item


class ApprovalEvent(Wire):
    type: Literal["approval/requested", "approval/resolved"]
    approval: JsonObject


class DocumentsChanged(Wire):
    type: Literal["documents/changed"] = "documents/changed"
    documents: tuple[DocumentInfo, ...]


class UsageEvent(Wire):
    """Tokens of the running turn so far."""

    type: Literal["usage"] = "usage"
    turn: int
    usage: Usage


class Notice(Wire):
    """Something that people should know and that is no part of the conversation.

    ``retry``: the model is asked again in ``seconds``; ``saving``: whether saving works (``ok``); ``resync``: this
    client was too slow and missed events, so resume the session anew; ``background``: a background turn of this session
    has ended (sent to every connection); ``compact``: earlier turns are being summarised; ``profile``: the session's
    profile is gone.
    """

    type: Literal["notice"] = "notice"
    kind: Literal["retry", "saving", "resync", "queue", "store", "compact", "profile", "background"]
    message: str
    turn: int | None = None
    seconds: float | None = None
    ok: bool | None = None


Event = Annotated[
    SessionEvent | TurnEvent | ItemStarted | ItemDelta | ItemEnded | ApprovalEvent | DocumentsChanged | UsageEvent
    | Notice,
    Field(discriminator="type"),
]  # fmt: skip


class EventParams(Wire):
    """``agentd/event``. ``seq`` rises within a daemon's life and is not dense."""

    seq: int
    session_id: str | None = None
    parent_id: str | None = None
    event: Event


class Published:
    """An event on its way to any number of connections: encoded once, and only if somebody listens."""

    __slots__ = ("_body", "params")

    def __init__(self, params: EventParams) -> None:
        self.params = params
        self._body: bytes | None = None

    @property
    def body(self) -> bytes:
        """The JSON-RPC notification, UTF-8, without the LSP header."""
        if self._body is None:
            self._body = b'{"jsonrpc":"2.0","method":"agentd/event","params":' + self.params.dump_json() + b"}"
        return self._body

    def merged(self, later: "Published") -> "Published | None":
        """Both as one event when both are deltas of one item, else None."""
        first, second = self.params.event, later.params.event
        if not (isinstance(first, ItemDelta) and isinstance(second, ItemDelta)):
            return None
        if first.item_id != second.item_id or self.params.session_id != later.params.session_id:
            return None
        joined = ItemDelta(turn=first.turn, item_id=first.item_id, text=first.text + second.text)
        return Published(later.params.model_copy(update={"event": joined}))
