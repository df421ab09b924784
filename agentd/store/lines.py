"""One line of a file of ours: JSON with its own checksum, and what becomes of a line that is damaged.

``{"v":1,"seq":7,"turn":2,"time":"…","kind":"text",…,"crc":"89abcdef"}``: crc is the CRC-32, in hex, of the line's
bytes before ``,"crc":``, and is the last field. A line is used if it parses, and flagged if its crc does not fit.
"""

import json
import re
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from agentd.core.records import Draft, Record

VERSION = 1
ENVELOPE = frozenset({"v", "seq", "turn", "time", "kind", "crc"})

_TAIL = len(b',"crc":"89abcdef"}')
_HEAD = re.compile(rb'\{"v":(\d{1,9}),"seq":(\d{1,18}),"turn":(\d{1,18}),"time":"([^"\\]{0,40})","kind":"(\w{1,40})"')
_BEGINNING = re.compile(rb'\{"v":\d{1,9},"seq":\d')
_ENDING = re.compile(rb'"crc":"[0-9a-f]{8}"\}')
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# Pydantic's parser is many times as fast as the standard library's, and stricter.
_fast = TypeAdapter(dict[str, Any]).validate_json
_decode = json.JSONDecoder(strict=False).decode


class Head(NamedTuple):
    """What the beginning of a line says, read without parsing the rest."""

    version: int
    seq: int
    turn: int
    time: str
    kind: str


def now() -> str:
    """RFC 3339 UTC with milliseconds."""
    return stamp(time.time())


def stamp(seconds: float) -> str:
    """A time of the system's clock, likewise."""
    whole = int(seconds)
    return f"{_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    """Kept, because all records of a second share it and making it is half of what stamping one costs."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def sealed(fields: bytes) -> bytes:
    """A whole line from an object without its closing brace."""
    return b"%b%b\n" % (fields, _tail(fields))


def _tail(fields: bytes) -> bytes:
    """What ends a line of these fields."""
    return b',"crc":"%08x"}' % zlib.crc32(fields)


def seal_object(value: Mapping[str, Any]) -> bytes:
    """A whole line from an object that is not empty."""
    return sealed(_encode(value)[:-1].encode("utf-8", "replace"))


def fragment(draft: Draft, written: str) -> bytes:
    """All of a record's line but what the transcript gives it when it is written.

    Raises TypeError or ValueError for a body that JSON cannot hold. Fields of the body that are named as one of the
    envelope's are left out.
    """
    fields = {"turn": draft.turn, "time": draft.time or written, "kind": draft.kind}
    fields.update((key, value) for key, value in draft.body.items() if key not in ENVELOPE)
    return _encode(fields)[1:-1].encode("utf-8", "replace")


def record_line(seq: int, rest: bytes) -> bytes:
    """A record's line, from its ``fragment``."""
    return sealed(b'{"v":%d,"seq":%d,%b' % (VERSION, seq, rest))


def head(line: bytes) -> Head | None:
    """The beginning of a line as we write it; None for one that somebody rewrote."""
    match = _HEAD.match(line)
    if match is None:
        return None
    version, seq, turn, written, kind = match.groups()
    return Head(int(version), int(seq), int(turn), written.decode("utf-8", "replace"), kind.decode())


def parse_object(line: bytes) -> tuple[dict[str, Any], bool] | None:
    """The object of a line, and whether its checksum is wrong or missing; None if it does not parse."""
    damaged = False
    try:
        value: Any = _fast(line)
    except ValueError:
        # Damaged, edited by hand or nested too deep for the fast one: what can be read of it is.
        damaged = not _is_utf8(line)
        try:
            value = _decode(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    fits = line[-_TAIL:] == _tail(line[:-_TAIL])
    return value, damaged or not fits


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def parse(line: bytes) -> Record | None:
    """The record of one line, or None."""
    parsed = parse_object(line)
    if parsed is None:
        return None
    value, flagged = parsed
    # What is left of the object is the body: to copy it costs more than to take the envelope's six fields out.
    take = value.pop
    seq, turn, kind, written = take("seq", None), take("turn", 0), take("kind", None), take("time", "")
    take("v", None), take("crc", None)
    if not (isinstance(seq, int) and isinstance(turn, int) and isinstance(kind, str) and isinstance(written, str)):
        return None
    return Record(seq, turn, written, kind, value, flagged)


def whole_part(torn: bytes) -> int:
    """How many bytes at the start of an unfinished line are a whole record: editors may leave out the last ``\\n``."""
    ends = [match.end() for match in _ENDING.finditer(torn)]
    record = parse(torn[: ends[-1]]) if ends else None
    return ends[-1] if record is not None and not record.flagged else 0


def parse_damaged(line: bytes) -> tuple[Record, ...]:
    """The whole records in a line that does not parse: a bad byte in place of a line's end joins two."""
    starts = [match.start() for match in _BEGINNING.finditer(line)]
    found = []
    for start, limit in zip(starts, [*starts[1:], len(line)], strict=False):
        ends = [match.end() for match in _ENDING.finditer(line, start, limit)]
        record = parse(line[start : ends[-1]]) if ends else None
        if record is not None and not record.flagged:
            found.append(record)
    return tuple(found)
