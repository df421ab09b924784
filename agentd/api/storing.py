"""Saving a session to storage of the caller's own, in the shapes of the systems whose managers people have written."""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from agentd.core.role_messages import Message
from agentd.errors import LoadFailed
from agentd.protocol import Session


def session_data(session: Session, messages: list[Message], asked: str | None = None) -> dict[str, Any]:
    """A session as one mapping; ``id`` is what its user calls it. Times are RFC 3339 UTC."""
    named = {"name": session.name, "tags": list(session.tags)}
    return {
        "id": asked or session.name or session.id,
        "working_dir": session.working_dir,
        "model": session.model,
        "created_at": session.created,
        "updated_at": session.last_active,
        "metadata": {**{key: value for key, value in named.items() if value}, **session.metadata},
        "messages": messages,
    }


def takes_messages(method: Callable[..., Any]) -> bool:
    """Whether a ``save_session`` has the form (session_id, messages), not (session_data)."""
    required = 0
    for parameter in inspect.signature(method).parameters.values():
        positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        required += positional and parameter.default is parameter.empty
    return required >= 2


async def save(method: Callable[..., Any], data: dict[str, Any]) -> None:
    """Call a ``save_session``, in the form that it takes."""
    saved = method(data["id"], data["messages"]) if takes_messages(method) else method(data)
    if inspect.isawaitable(saved):
        await saved


async def load(method: Callable[..., Any], session_id: str) -> list[Message] | None:
    """The messages that a ``load_session`` has, or None. Raises LoadFailed for what is none."""
    found = method(session_id)
    if inspect.isawaitable(found):
        found = await found
    if isinstance(found, Mapping):
        found = found.get("messages")
    if found is None:
        return None
    if not isinstance(found, list):
        raise LoadFailed(f"load_session answered no list of messages but {type(found).__name__}")
    return found


def local_time(time: str) -> datetime:
    """A time of ours (RFC 3339 UTC) as a datetime in local time without a zone, as ``datetime.now()`` gives."""
    return datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone().replace(tzinfo=None)
