"""A strict, scripted server of Anthropic's Messages API, for tests that let the real SDK talk to it.

    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate), "lo")),))]) as api:
        ...  # AsyncAnthropic(base_url=api.url, api_key="test-key", max_retries=0)
        await gate.reached.wait()
        gate.open()
        exchange = await api.wait_ended(1)

It refuses what the real API refuses (`validate`, `conversation`), says what the script says (`script`), and fails the
test if asked more often than that.
"""

from .errors import ApiError
from .exchange import Exchange, Outcome, Written
from .gate import Gate, Signal
from .prompter import UnexpectedRequestError
from .script import (
    BAD_GATEWAY,
    EMPTY,
    HTML_INSTEAD,
    INVALID_UTF8,
    JSON_INSTEAD,
    MALFORMED_JSON,
    OVERLOADED,
    RATE_LIMITED,
    SERVER_ERROR,
    Answer,
    Cut,
    Delay,
    DuplicateStart,
    Eof,
    ErrorEvent,
    Http,
    Part,
    Piece,
    Ping,
    Raw,
    Redacted,
    Reply,
    Reset,
    Script,
    Stall,
    Text,
    Thinking,
    ToolUse,
    UnknownBlock,
    UnknownDelta,
    UnknownEvent,
    Usage,
    Wait,
    say,
)
from .scriptfile import ScriptFile, ScriptFileError, read
from .server import MessagesApi
from .signing import sign
from .threaded import ThreadedMessagesApi
from .validate import Rules

__all__ = [
    "BAD_GATEWAY",
    "EMPTY",
    "HTML_INSTEAD",
    "INVALID_UTF8",
    "JSON_INSTEAD",
    "MALFORMED_JSON",
    "OVERLOADED",
    "RATE_LIMITED",
    "SERVER_ERROR",
    "Answer",
    "ApiError",
    "Cut",
    "Delay",
    "DuplicateStart",
    "Eof",
    "ErrorEvent",
    "Exchange",
    "Gate",
    "Http",
    "MessagesApi",
    "Outcome",
    "Part",
    "Piece",
    "Ping",
    "Raw",
    "Redacted",
    "Reply",
    "Reset",
    "Rules",
    "Script",
    "ScriptFile",
    "ScriptFileError",
    "Signal",
    "Stall",
    "Text",
    "Thinking",
    "ThreadedMessagesApi",
    "ToolUse",
    "UnexpectedRequestError",
    "UnknownBlock",
    "UnknownDelta",
    "UnknownEvent",
    "Usage",
    "Wait",
    "Written",
    "read",
    "say",
    "sign",
]
