"""From a failure to what a person reads: one or two lines, and the exit code. Never a traceback."""

from dataclasses import dataclass

from agentd.client.failures import ConnectionLost
from agentd.errors import AgentdError

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


class WrongUse(Exception):
    """The command line asks for something that can't be: exit code 2."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Stop(Exception):
    """Ends the command with this exit code; what there was to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Explanation:
    message: str
    hint: str | None = None
    code: int = FAILED


HINTS: dict[str, str] = {
    "sessionNotFound": "Use 'agentd session list' to see the available sessions.",
    "sessionBusy": "Wait, or stop the turn: 'agentd session interrupt ID'. A prompt waits with --when-busy queue.",
    "sessionInUse": "Wait for the running turn, or stop it: 'agentd session interrupt ID'.",
    "modelUnavailable": "See 'agentd model list' for the models and 'agentd doctor' for what is missing.",
    "loadFailed": "The file is left as it is. 'agentd session list' shows the other sessions.",
    "storeFailed": "Nothing was changed. Check the space and the permissions of the data directory: 'agentd doctor'.",
    "connectionLost": "Look whether it was done, and try again: that starts the daemon. 'agentd logs' may say more.",
    "daemonUnavailable": "'agentd logs' and 'agentd doctor' may say more.",
    "requestFailed": "The daemon's log may say more: 'agentd logs'.",
}
REASONS: dict[str, str] = {
    "network": "Check the connection ('agentd doctor').",
    "tooLong": "Send less of the earlier turns: 'agentd session clear ID --keep 10'.",
}
OPTIONS = {
    "olderThanDays": "--days", "keepTurns": "--keep", "keep": "--keep", "parentId": "--parent", "path": "--output",
    "profile": "--profile", "mode": "--mode", "model": "--model", "limit": "--limit", "tags": "TAG", "uri": "FILE",
    "query": "WORDS", "prompt": "PROMPT", "name": "NAME", "description": "TEXT",
}  # fmt: skip
WRONG_KINDS = frozenset({"invalidName", "invalidParams", "sessionNotFound", "ambiguousSession", "sessionArchived"})
"""What is mended by typing something else: the session that was named, or what was asked of it."""


def explain(error: AgentdError) -> Explanation:
    """What to print for a request that was refused."""
    code = WRONG_USE if error.kind in WRONG_KINDS else FAILED
    return Explanation(_words(error), _hint(error), code)


def _words(error: AgentdError) -> str:
    candidates = error.details.get("candidates")
    if isinstance(candidates, list) and candidates:
        return f"{error.message}\n  " + "\n  ".join(str(candidate) for candidate in candidates[:10])
    return in_options(error.message) if error.kind == "invalidParams" else error.message


def in_options(message: str) -> str:
    """The wire's name of what is wrong, at the message's beginning, is what a person typed."""
    name, colon, rest = message.partition(": ")
    if not colon:
        return message
    if name == "turn":
        return f"Turn {rest}" if rest[:1].isdecimal() else rest[:1].upper() + rest[1:]
    return f"{OPTIONS[name]}: {rest}" if name in OPTIONS else message


def _hint(error: AgentdError) -> str | None:
    if error.kind == "invalidName":
        return None if "printable" in error.message else "Give a name within that length, on one line."
    if error.kind == "ambiguousSession":
        return "Give more of the id; 'agentd session rename ID NAME' gives one of them another name."
    if error.kind == "sessionArchived":
        asked = str(error.details.get("sessionId", "ID"))[:8]
        return f"'agentd session restore {asked}' or 'agentd session fork {asked}'."
    return reason_hint(str(error.details.get("reason", ""))) or HINTS.get(error.kind)


def reason_hint(reason: str) -> str | None:
    """What to do about a model call that failed for this reason."""
    return REASONS.get(reason)


def lost(error: AgentdError) -> bool:
    return isinstance(error, ConnectionLost)
