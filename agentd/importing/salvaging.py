"""What is whole of a JSON document that is cut off or damaged: as far as it goes, or its messages one by one."""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from agentd.importing.pieces import SMALL, parse_large
from agentd.importing.source import LONGEST_DOCUMENT, Source
from agentd.importing.values import Json

BEGINNING = 4096
MOST_FAILURES = 1000
_DECODER = json.JSONDecoder(strict=False)
_MESSAGE = re.compile(r'\{\s*"(?:role|user)"\s*:')
_FIELD = re.compile(
    r'"(session_id|conversation_id|id|created_at|updated_at|model|working_dir)"\s*:\s*("(?:[^"\\]|\\.){0,500}")'
)


def salvaged(source: Source, stopped: Callable[[], bool]) -> Any:
    """A document with what could be read, or None when nothing could."""
    if source.size > LONGEST_DOCUMENT:
        return None
    if not source.read_at(BEGINNING, 0).lstrip().startswith((b"{", b"[")):
        return None
    data = source.read_at(source.size, 0)
    try:
        if len(data) > SMALL:
            return parse_large(data, stopped, cut_off=True)
        return TypeAdapter(Any).validate_json(data, experimental_allow_partial=True)
    except ValueError:
        return _by_messages(data.decode("utf-8", "replace"))


def _by_messages(text: str) -> Json | None:
    """The messages that parse, and the facts that stand before the first of them."""
    found: list[Any] = []
    at = failures = 0
    first: int | None = None
    while failures < MOST_FAILURES and (met := _MESSAGE.search(text, at)) is not None:
        try:
            value, at = _DECODER.raw_decode(text, met.start())
        except (ValueError, RecursionError):
            failures += 1
            at = met.end()
            continue
        first = met.start() if first is None else first
        found.append(value)
    if first is None:
        return None
    facts = {key: value for key, said in _FIELD.findall(text[:first]) if (value := _text(said)) is not None}
    return {**facts, ("history" if "conversation_id" in facts else "messages"): found}


def _text(said: str) -> str | None:
    try:
        value = json.loads(said, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
