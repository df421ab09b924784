"""The closed set of failures that a request can end in, each with its JSON-RPC code.

Owns the words that people read when a request cannot be served. A failure of the user's work (a model that breaks
off, a tool that fails) is not here: that is an item in the session. Mapped to JSON-RPC once, in ``server/wire.py``.
"""

from collections.abc import Sequence
from typing import ClassVar


class AgentdError(Exception):
    """A request that cannot be served.

    ``kind`` is the wire's ``data.kind``, ``code`` its JSON-RPC code (positive: ours), ``retryable`` says whether the
    same request may succeed later without a change by the user. ``details`` joins ``data``.
    """

    kind: ClassVar[str]
    code: ClassVar[int]
    retryable: bool = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class SessionNotFound(AgentdError):
    kind, code = "sessionNotFound", 1

    def __init__(self, asked: str) -> None:
        super().__init__(f"Session '{asked}' not found", sessionId=asked)


def _short(session_id: str) -> str:
    """Of a sub-session the end: its beginning is its parent's."""
    return session_id[-8:] if len(session_id) > 36 else session_id[:8]


class AmbiguousSession(AgentdError):
    kind, code = "ambiguousSession", 2

    def __init__(self, asked: str, candidates: Sequence[str]) -> None:
        known = ", ".join(map(_short, candidates[:5])) + ("…" if len(candidates) > 5 else "")
        super().__init__(
            f"Session '{asked}' is ambiguous: {len(candidates)} sessions match ({known}). Say which by more of its id.",
            candidates=list(candidates),
        )


class InvalidName(AgentdError):
    kind, code = "invalidName", 3

    def __init__(self, message: str = "Session name must be between 1 and 256 characters") -> None:
        super().__init__(message)


class SessionBusy(AgentdError):
    kind, code, retryable = "sessionBusy", 4, True


class SessionArchived(AgentdError):
    kind, code = "sessionArchived", 5

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session '{session_id[:8]}' is archived: restore it first, or fork it and go on in the fork.",
            sessionId=session_id,
        )


class SessionInUse(AgentdError):
    kind, code, retryable = "sessionInUse", 6, True


class ModelUnavailable(AgentdError):
    kind, code = "modelUnavailable", 7


class ModelFailed(AgentdError):
    """The model was asked and did not give a whole reply.

    ``reason`` is one of overloaded, rateLimited, network, stalled, cutOff, authentication, refused, tooLong,
    badRequest, badReply, server; ``retry_after`` is the provider's wish in seconds.
    """

    kind, code = "modelFailed", 8

    def __init__(self, message: str, reason: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class LimitReached(AgentdError):
    kind, code = "limitReached", 9


class LoadFailed(AgentdError):
    kind, code = "loadFailed", 10

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(f"Failed to load session: {reason}", **details)


class StoreFailed(AgentdError):
    """Nothing that the request asked for was kept; what was there before still is.

    ``refused``: this session takes no changes (a newer version wrote it, it is closed); the disk is not to blame.
    """

    kind, code, retryable = "storeFailed", 11, True

    def __init__(self, reason: str, what: str = "session", *, refused: bool = False) -> None:
        super().__init__(f"Failed to save {what}: {reason}")
        self.refused = refused


class ImportFailed(AgentdError):
    kind, code = "importFailed", 12


class NotTrusted(AgentdError):
    kind, code = "notTrusted", 13


class TooLarge(AgentdError):
    kind, code = "tooLarge", 14


class InvalidParams(AgentdError):
    """Well-formed JSON that asks for something impossible: JSON-RPC's own code, with the place."""

    kind, code = "invalidParams", -32602


class RequestCancelled(AgentdError):
    kind, code = "cancelled", -32800

    def __init__(self) -> None:
        super().__init__("The request was cancelled")


FAILURES: tuple[type[AgentdError], ...] = (
    SessionNotFound, AmbiguousSession, InvalidName, SessionBusy, SessionArchived, SessionInUse, ModelUnavailable,
    ModelFailed, LimitReached, LoadFailed, StoreFailed, ImportFailed, NotTrusted, TooLarge, InvalidParams,
    RequestCancelled,
)  # fmt: skip
