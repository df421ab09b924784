"""The JSON form of a script, for servers in a process of their own.

    {"replies": [REPLY, …], "default": REPLY, "rules": {"window": 1000, …}}

REPLY is `{"parts": [PART, …], "before": […], "after": […], "stop_reason", "stop_sequence", "usage": {…}, "delay",
"split"}` or `{"http": {"status": 429, "body": "…", "headers": {"retry-after": "1"}, "content_type": "…"}}`.
PART is one of `{"text": PIECES, "size", "stamp"}`, `{"thinking": PIECES, "size", "signed"}`, `{"redacted": "data"}`,
`{"tool": "name", "input": {…} or PIECES, "id", "size"}`, `{"unknown_block": true}` or an ITEM. PIECES is a string, or a
list of strings and ITEMs. ITEM is `{"delay": seconds}`, `{"wait": "gate"}`, `{"ping": true}`, `{"raw": "bytes as
latin-1"}`, `{"unknown_event": true}`, `{"unknown_delta": true}` (in PIECES only), `{"duplicate_start": true}`,
`{"eof": true}`, `{"cut": true}`, `{"reset": true}`, `{"stall": null or seconds between pings}` or
`{"error": "overloaded_error", "message": "…"}`. Gates of one name are one gate.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from .gate import Gate
from .script import (
    Answer,
    Cut,
    Delay,
    DuplicateStart,
    Eof,
    ErrorEvent,
    Http,
    Ping,
    Raw,
    Redacted,
    Reply,
    Reset,
    Stall,
    Text,
    Thinking,
    ToolUse,
    UnknownBlock,
    UnknownDelta,
    UnknownEvent,
    Usage,
    Wait,
)
from .validate import Rules


class ScriptFileError(ValueError):
    """The file says something that is not in the module's description."""


@dataclass
class ScriptFile:
    """A file's content; `gates` fills as it is read."""

    replies: list[Answer] = field(default_factory=list)
    default: Answer | None = None
    rules: Rules = field(default_factory=Rules)
    gates: defaultdict[str, Gate] = field(default_factory=lambda: defaultdict(Gate))


def read(value: dict[str, Any]) -> ScriptFile:
    script = ScriptFile()
    script.replies.extend(_answer(reply, script) for reply in value.get("replies", []))
    if "default" in value:
        script.default = _answer(value["default"], script)
    rules = dict(value.get("rules", {}))
    if rules.get("models") is not None:
        rules["models"] = tuple(rules["models"])
    script.rules = Rules(**rules)
    return script


def _answer(value: dict[str, Any], script: ScriptFile) -> Answer:
    if "http" in value:
        response = dict(value["http"])
        return Http(**{**response, "headers": tuple(response.get("headers", {}).items())})
    rest = dict(value)
    for place in ("parts", "before", "after"):
        rest[place] = tuple(_item(item, script) for item in rest.get(place, []))
    if "usage" in rest:
        rest["usage"] = Usage(**rest["usage"])
    return Reply(**rest)


def _pieces(value: Any, script: ScriptFile) -> Any:
    if not isinstance(value, list):
        return value
    return tuple(piece if isinstance(piece, str) else _item(piece, script) for piece in value)


def _item(value: dict[str, Any], script: ScriptFile) -> Any:
    match value:
        case {"text": content, **rest}:
            return Text(_pieces(content, script), **rest)
        case {"thinking": content, **rest}:
            return Thinking(_pieces(content, script), **rest)
        case {"redacted": data}:
            return Redacted(data)
        case {"tool": name, "input": content, **rest}:
            return ToolUse(name, _pieces(content, script), **rest)
        case {"delay": seconds}:
            return Delay(seconds)
        case {"wait": gate}:
            return Wait(script.gates[gate])
        case {"raw": data}:
            return Raw(data.encode("latin-1"))
        case {"stall": pings}:
            return Stall(pings)
        case {"error": kind, **rest}:
            return ErrorEvent(kind, **rest)
        case _:
            return _flag(value)


def _flag(value: dict[str, Any]) -> Any:
    flags = {
        "ping": Ping,
        "unknown_event": UnknownEvent,
        "unknown_delta": UnknownDelta,
        "unknown_block": UnknownBlock,
        "duplicate_start": DuplicateStart,
        "eof": Eof,
        "cut": Cut,
        "reset": Reset,
    }
    names = [name for name in value if name in flags]
    if len(names) != 1 or len(value) != 1:
        raise ScriptFileError(f"not a part of a reply: {value}")
    return flags[names[0]]()
