"""When each failure is answered, for the page's table. The words themselves are taken from ``agentd/errors.py``."""

from agentd.errors import (
    FAILURES,
    AgentdError,
    AmbiguousSession,
    InvalidName,
    LoadFailed,
    SessionArchived,
    SessionNotFound,
    StoreFailed,
)

WHEN: dict[str, str] = {
    "sessionNotFound": "no session has this id, name or prefix; `data.sessionId` is what was asked for",
    "ambiguousSession": "a prefix or name fits several sessions; `data.candidates` lists their ids",
    "invalidName": "a name is empty or too long",
    "sessionBusy": 'a turn runs: with `whenBusy: "reject"`, or for what can\'t be done meanwhile',
    "sessionArchived": "a prompt for an archived session; `data.sessionId`",
    "sessionInUse": "another program holds the session",
    "modelUnavailable": "there is no key, or the model is not installed: nothing was asked",
    "modelFailed": "the model was asked and gave no whole reply; `data.reason` says why",
    "limitReached": "a limit in the user's configuration is reached",
    "loadFailed": "the session's files can't be read",
    "storeFailed": "nothing of this request was kept; what was there before still is",
    "importFailed": "what was to be imported can't be read",
    "notTrusted": "the workspace is not trusted by the user",
    "tooLarge": "the message, or something in it, is above a limit",
    "invalidParams": "well-formed JSON that asks for something impossible; the message names the place",
    "cancelled": "the request was cancelled by `$/cancelRequest`",
}

EXAMPLES: tuple[AgentdError, ...] = (
    SessionNotFound("abc123"),
    AmbiguousSession("abc1", ("abc12345", "abc16789")),
    InvalidName(),
    SessionArchived("abc12345"),
    LoadFailed("Permission denied"),
    StoreFailed("No space left on device", "session metadata"),
)


DEPENDS = frozenset({"modelFailed"})
"""Each case of these says in its ``data`` whether it is retryable."""


def rows() -> list[tuple[int, str, str, str, str]]:
    """Code, kind, retryable, when, and the words of an example (empty where each case has its own)."""
    words = {example.kind: example.message for example in EXAMPLES}
    return [(one.code, one.kind, _retryable(one), WHEN[one.kind], words.get(one.kind, "")) for one in FAILURES]


def _retryable(failure: type[AgentdError]) -> str:
    if failure.kind in DEPENDS:
        return "see `data`"
    return "yes" if failure.retryable else "no"
