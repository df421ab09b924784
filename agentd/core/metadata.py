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


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRETS = frozenset({"secret", "password", "passwd", "passphrase", "pwd", "credential", "authorization", "apikey"})
_COUNTED = frozenset({"max", "min", "stop", "special", "bos", "eos", "pad", "unk", "sep", "cls", "mask"})
"""What a model's tokens are called: these are no secrets."""
_ASSIGNED = re.compile(
    r"(?P<name>-{0,2}[A-Za-z][\w.-]{0,80})(?P<sign>=|:[ \t]?)(?P<value>(?:(?i:bearer|basic|token) )?\S+)"
)
_REDACTED = re.compile(r"\[redacted: [^\]\n]{1,40}\]")
REMOVED = "[removed]"


def without_secrets(value: Any) -> Any:
    """A configuration as it may be kept, at any depth: what is named like a key or a password is left out, and what
    looks like one in a text (``NAME=value`` too) is "[removed]"."""
    if isinstance(value, dict):
        return {
            without_secrets(key): without_secrets(one)
            for key, one in value.items()
            if not _names_secret(str(key)) or (isinstance(one, int) and str(key).lower().endswith("tokens"))
        }
    if isinstance(value, list | tuple):
        before = ["", *value]
        return [
            REMOVED if isinstance(one, str) and _is_flag(flag) else without_secrets(one)
            for flag, one in zip(before, value, strict=False)
        ]
    return _without_keys(value) if isinstance(value, str) else value


def _names_secret(name: str) -> bool:
    """``apiKey``, ``X-Api-Key``, ``DB_PASSWORD``; not ``max_tokens``, ``tokenizer``, ``keybindings``, ``key`` alone."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or _COUNTED & set(words):
        return False
    last = words[-1].removesuffix("s")
    if last == "key":
        return len(words) > 1 and (words[-1] == "key" or words[-2] in ("api", "access", "private", "secret"))
    return last in _SECRETS or last.endswith(("token", "apikey", "password", "secret"))


def _is_flag(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("--") and text[2:].isprintable() and _names_secret(text)


def _without_keys(text: str) -> str:
    met = _ASSIGNED.fullmatch(text)
    if met is not None and _names_secret(met.group("name")):
        return met.group("name") + met.group("sign") + REMOVED
    # Imported at its first use: its rules take their time to load.
    from agentd.core.redaction import Redactor

    made = Redactor(None).text(text)
    return text if made == text else _REDACTED.sub(REMOVED, made)


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
