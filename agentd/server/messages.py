"""JSON-RPC messages between bytes and values: what a body is, and what an answer looks like.

Judges the envelope only; parameters are judged in ``wire``. Everything that goes out is encoded here, once.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from agentd.protocol import Wire

MessageId = int | str

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002
REQUEST_FAILED = -32803


class Refused(Exception):
    """A message that gets an error for an answer. ``id``: of the request, where it could be read."""

    def __init__(self, code: int, message: str, id: MessageId | None = None, data: Any = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id
        self.data = data


@dataclass(frozen=True, slots=True)
class Request:
    id: MessageId
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to a request of ours: a result, or an error object."""

    id: Any
    result: Any
    error: Any


Message = Request | Notification | Response


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_HALF = re.compile("[\ud800-\udfff]")
_PIECE = 256 * 1024

LARGE = 1024 * 1024
"""Bytes of a body that is better read on a thread."""

MAX_VALUES = 250_000
"""Values in one message, counted roughly. An editor's largest ones are long texts: few values, quickly read. Millions
of small ones would hold the loop at each step from here to where they are freed."""


def read(body: bytes) -> Message:
    """The message in a body. Raises ``Refused``. Linear in its length. On a thread the loop runs between the steps; the
    longest, one text's unescaping, takes about 5 ms for each MB."""
    if _may_be_many(body) and _separators(body) > MAX_VALUES:
        raise Refused(INVALID_REQUEST, f"The message has more than {MAX_VALUES:,} values")
    try:
        value = _decoder.decode(body.decode("utf-8"))
        # json has joined whole pairs, so that what is left of a surrogate is a half.
        if b"\\ud" in body or b"\\uD" in body:
            value = _whole(value)
    except UnicodeDecodeError:
        raise Refused(PARSE_ERROR, "The message is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Refused(PARSE_ERROR, f"The message is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Refused(PARSE_ERROR, "The message is nested too deeply") from None
    except ValueError:
        raise Refused(PARSE_ERROR, "The message is not JSON: a number that JSON does not have") from None
    return _judged(value)


def _may_be_many(body: bytes) -> bool:
    """Counts what stands in strings as well: quick, and at most too many."""
    return len(body) > MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES


def _separators(body: bytes) -> int:
    """What begins or parts values, outside of strings. Of a body that is no JSON: up to where it ceases to be."""
    body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if body.count(b'"') > 4 * MAX_VALUES:
        return MAX_VALUES + 1  # each value has at most a name and itself in quotes
    outside = b"".join(body.split(b'"')[::2])
    return sum(map(outside.count, (b",", b"[", b"{")))


def _judged(value: Any) -> Message:
    if isinstance(value, list):
        raise Refused(INVALID_REQUEST, "LSP has no batches: send one message a frame")
    if not isinstance(value, dict):
        raise Refused(INVALID_REQUEST, "A message is a JSON object")
    given = value.get("id")
    known = given if isinstance(given, int | str) and not isinstance(given, bool) else None
    if value.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, 'jsonrpc is not "2.0"', known)
    if "method" not in value:
        if known is None and "error" in value:
            # The other side could not read something of ours; to answer that would be the beginning of a quarrel.
            return Response(None, None, value["error"])
        if known is not None:
            # Lua leaves a nil result out.
            return Response(known, value.get("result"), value.get("error"))
        raise Refused(INVALID_REQUEST, "A message has a method, or the id of a request that it answers")
    method = value["method"]
    if not isinstance(method, str):
        raise Refused(INVALID_REQUEST, "method is not a string", known)
    params = value.get("params")
    if "id" not in value:
        return Notification(method, params)
    if known is None:
        raise Refused(INVALID_REQUEST, "id is not an integer or a string")
    if params is not None and not isinstance(params, dict | list):
        raise Refused(INVALID_PARAMS, "params: should be an object", known)
    return Request(known, method, params)


def _whole(value: Any) -> Any:
    """Half of a surrogate pair (an editor that cut a string in the middle) becomes U+FFFD: it can't be saved as UTF-8,
    and would fail anywhere further in."""
    if isinstance(value, str):
        return value if value.isascii() else _whole_text(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _whole_text(text: str) -> str:
    """In pieces: no other thread runs while an expression is matched."""
    pieces = range(0, len(text), _PIECE)
    return "".join(_HALF.sub("\ufffd", text[start : start + _PIECE]) for start in pieces)


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    text = _encoder.encode(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False).encode()


def encoded(params: Wire | Mapping[str, Any]) -> bytes:
    """Parameters as JSON."""
    return params.dump_json() if isinstance(params, Wire) else encode(dict(params))


def result(id: MessageId, value: bytes) -> bytes:  # noqa: A002
    """An answer; ``value`` is the result as JSON."""
    return b'{"jsonrpc":"2.0","id":' + encode(id) + b',"result":' + value + b"}"


def error(id: MessageId | None, code: int, message: str, data: Any = None) -> bytes:  # noqa: A002
    problem = {"code": code, "message": message} if data is None else {"code": code, "message": message, "data": data}
    return encode({"jsonrpc": "2.0", "id": id, "error": problem})


def request(id: MessageId, method: str, params: bytes) -> bytes:  # noqa: A002
    return b'{"jsonrpc":"2.0","id":' + encode(id) + b',"method":' + encode(method) + b',"params":' + params + b"}"


def notification(method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","method":' + encode(method) + b',"params":' + params + b"}"
