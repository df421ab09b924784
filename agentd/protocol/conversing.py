"""Parameters and results of a conversation as messages of role and content: read whole, and set."""

from pydantic import Field

from agentd.protocol.base import JsonObject, Kept, Wire
from agentd.protocol.shapes import Session


class MessagesParams(Wire):
    """``details``: with times, and for the model's messages its name, usage and content as blocks."""

    session_id: str
    details: bool = False


class MessagesResult(Kept):
    """What the model would be sent: system messages first, without what was cleared."""

    session: Session
    messages: tuple[JsonObject, ...]


class SetMessagesParams(Wire):
    """``sessionId``, or ``sessionName``, which ``create`` makes a session of when there is none.

    A message has ``role`` (system, user, assistant, tool) and ``content``. The other fields change what is given and
    leave the rest; ``model`` and ``workingDir`` are those of a session that is made.
    """

    session_id: str | None = None
    session_name: str | None = None
    create: bool = False
    messages: tuple[JsonObject, ...]
    tags: tuple[str, ...] | None = None
    description: str | None = None
    metadata: JsonObject | None = Field(default=None)
    model: str | None = None
    working_dir: str | None = None
