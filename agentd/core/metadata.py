"""A session's metadata as it stands in ``metadata.json`` (snake_case, as in the documents we follow), and its view.

Frozen: a change is a new value, written before anybody sees it. What can be counted from the transcript (counts,
usage) is derived and may lag behind on disk.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentd.errors import InvalidName
from agentd.protocol import ForkedFrom, Mode, Session, SessionState, SessionStatus, TurnStatus, Usage

METADATA_VERSION = 1
NAME_LIMIT = 256


class ForkPoint(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    session_id: str
    turn: int


class Metadata(BaseModel):
    """``metadata.json``, version 1. Unknown fields are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    version: int = METADATA_VERSION
    id: str
    status: SessionStatus = "active"
    created: str
    last_active: str
    first_message: str | None = None
    last_prompt: str | None = None
    name: str | None = None
    name_source: Literal["user", "auto"] | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    message_count: int = 0
    turn_count: int = 0
    file_count: int = 0
    tool_count: int = 0
    model: str | None = None
    provider: str | None = None
    profile: str | None = None
    mode: Mode = "ask"
    working_dir: str | None = None
    branch: str | None = None
    parent_id: str | None = None
    trace_id: str | None = None
    agent_name: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    agent_overlay: dict[str, Any] = Field(default_factory=dict)
    forked_from: ForkPoint | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    unseen_turn: int | None = None
    last_turn: TurnStatus | None = None

    def changed(self, **values: Any) -> "Metadata":
        """A copy with these fields."""
        return self.model_copy(update=values)

    def dump_json(self) -> bytes:
        """The file's bytes: indented, absent rather than null."""
        return self.model_dump_json(exclude_none=True, indent=2).encode() + b"\n"


_SECRET = re.compile(r"(?i)(api_?key|secret|token|password|passwd|credential|authorization)s?$")


def without_secrets(value: Any) -> Any:
    """A configuration as it may be kept: what is named like a key or a password is left out, at any depth."""
    if isinstance(value, dict):
        return {key: without_secrets(one) for key, one in value.items() if not _SECRET.search(str(key))}
    if isinstance(value, list | tuple):
        return [without_secrets(one) for one in value]
    return value


def checked_name(name: str) -> str:
    """The name without surrounding whitespace; raises InvalidName unless 1 to 256 printable characters remain."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= NAME_LIMIT or not stripped.strip("\u200d"):
        raise InvalidName
    if any(not (char.isprintable() or char == "\u200d") for char in stripped):
        raise InvalidName("Session name must be one line of printable characters")
    return stripped


def session_view(metadata: Metadata, state: SessionState, *, background: bool = False) -> Session:
    """What clients see of a session in this live state."""
    known = metadata.model_dump(exclude={"version", "config", "agent_overlay", "forked_from", "unseen_turn", "usage"})
    shown = Session.model_fields  # asked once: pydantic makes it anew each time
    fields = {key: value for key, value in known.items() if key in shown}
    fork = metadata.forked_from
    return Session(
        **fields,
        state=state,
        unseen=metadata.unseen_turn is not None,
        background=background or metadata.unseen_turn is not None,
        forked_from=ForkedFrom(session_id=fork.session_id, turn=fork.turn) if fork else None,
        usage=metadata.usage,
    )
