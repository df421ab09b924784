"""Error responses as exceptions: the classes of ``agentd.errors``, found again by their code."""

from collections.abc import Mapping
from typing import Any

from agentd.errors import FAILURES, AgentdError, ModelFailed


class RequestFailed(AgentdError):
    """An error response with a code that this version does not know; ``code`` on the instance is the daemon's."""

    kind, code = "requestFailed", -32603


class ConnectionLost(AgentdError):
    """The connection to the daemon ended. Running turns go on without it; what was streamed is kept."""

    kind, code, retryable = "connectionLost", -32098, True

    def __init__(self, reason: str = "The connection to the agentd daemon was lost") -> None:
        super().__init__(reason)


class DaemonUnavailable(AgentdError):
    """There is no daemon for this root and none could be started; the message says why."""

    kind, code, retryable = "daemonUnavailable", -32097, True


_BY_CODE: dict[int, type[AgentdError]] = {failure.code: failure for failure in FAILURES}


def failure_of(error: Mapping[str, Any]) -> AgentdError:
    """The exception for a JSON-RPC error object.

    The classes build their message from what was asked, and here the message is already made: so their constructors
    are passed over, and what all of them share is set as the daemon sent it.
    """
    code = int(error.get("code", RequestFailed.code))
    data = error.get("data")
    details = dict(data) if isinstance(data, Mapping) else {}
    details.pop("kind", None)
    retryable = details.pop("retryable", None)
    kind = _BY_CODE.get(code, RequestFailed)
    failure = kind.__new__(kind)
    AgentdError.__init__(failure, str(error.get("message", "The request failed")), **details)
    if retryable is not None:
        failure.retryable = bool(retryable)
    if isinstance(failure, ModelFailed):
        failure.reason = str(details.get("reason", ""))
        failure.retry_after = details.get("retryAfter")
    return failure
