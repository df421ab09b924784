"""Parameters and results of ``agentd/chat`` and ``agentd/turn/*``."""

from agentd.protocol.base import Kept, Wire
from agentd.protocol.shapes import ContextItem, Mode, Session, Turn, WhenBusy


class ChatParams(Wire):
    session_id: str | None = None
    session_name: str | None = None
    create: bool = False
    prompt: str
    ref: str | None = None
    context: tuple[ContextItem, ...] = ()
    model: str | None = None
    profile: str | None = None
    mode: Mode | None = None
    background: bool = False
    when_busy: WhenBusy = "queue"


class SessionTurn(Kept):
    session: Session
    turn: Turn


class InterruptParams(Wire):
    session_id: str
    turn: int | None = None


class TurnResult(Kept):
    turn: Turn
