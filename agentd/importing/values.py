"""Looking into others' JSON: nothing has to be there, and nothing has to be of the type that it should be."""

import base64
import json
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from agentd import clock
from agentd.protocol.base import DEEPEST, sound_json

# Many times as fast as the standard library's, which takes what this one does not.
_fast = TypeAdapter(Any).validate_json
_DECODER = json.JSONDecoder(strict=False)
_LATEST = 253402300799
_MILLISECONDS = 100_000_000_000
"""Numbers above this are no seconds: they would be of the year 5138."""
_LARGEST = 1 << 63
_MEDIA = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")
_FRACTION = re.compile(r"(\.\d{6})\d+")
Json = dict[str, Any]


def parse_json(data: bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is none, or nested beyond all sense."""
    try:
        return _fast(data)
    except ValueError:
        pass
    try:
        return _DECODER.decode(data.decode("utf-8", "surrogatepass").strip())
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error


def joined_objects(data: bytes) -> Iterator[Json]:
    """The objects of a line that holds several, one right after the other, up to what is none."""
    text = data.decode("utf-8", "replace").strip()
    at = 0
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            yield value
        while at < len(text) and text[at].isspace():
            at += 1


def string(value: Any) -> str | None:
    """A text that says something, else None."""
    return value if isinstance(value, str) and value.strip() else None


def first_string(value: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that is a text."""
    return next((text for name in names if (text := string(value.get(name))) is not None), None)


def one_of(value: Any, known: Container[str]) -> bool:
    """Whether a value is one of these words."""
    return isinstance(value, str) and value in known


def mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[Json]:
    """The objects of a list; what else is in it is passed over."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return int(value) if isinstance(value, int | float) and 0 <= value < _LARGEST else 0


def moment(value: Any) -> str | None:
    """A time as RFC 3339 UTC: from ISO 8601 (without a zone: the local one), or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            text = _FRACTION.sub(r"\1", value.strip())
            return clock.rfc3339(datetime.fromisoformat(text))
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            seconds = value / 1000 if value > _MILLISECONDS else value
            if 0 < seconds < _LATEST:
                return clock.rfc3339(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        pass
    return None


def arguments(value: Any) -> Json:
    """A tool's arguments, which some programs keep as a JSON text and some tools take as plain text."""
    if isinstance(value, str):
        try:
            parsed = parse_json(value.encode("utf-8", "surrogatepass"))
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            return {"input": value} if value.strip() else {}
        value = parsed
    if isinstance(value, dict):
        sound = _bounded(sound_json(value, DEEPEST - 10))
        return sound if isinstance(sound, dict) else {}
    return {} if value is None else {"input": as_text(value)}


def as_text(value: Any) -> str:
    """A value as people read it: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(_bounded(sound_json(value, DEEPEST - 10)), ensure_ascii=False)


def _bounded(value: Any) -> Any:
    """Numbers that other programs could not read back become text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return f"{value:.6e}" if value.bit_length() < 1000 else "a huge number"
    if isinstance(value, dict):
        return {key: _bounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_bounded(one) for one in value]
    return value


def image_note(block: Json) -> str:
    """What stands for an image or a document whose bytes are not kept."""
    media, data = image_of(block)
    size = f", {len(data):,} bytes" if data else ""
    return f"[{media}{size}: not imported]"


def block_text(content: Any, image: Callable[[Json], str] = image_note, deepest: int = 8) -> str:
    """The text of a content that is a string, an object, or a list of blocks. ``image`` tells an image's stead."""
    if isinstance(content, str) or content is None:
        return content or ""
    blocks = content if isinstance(content, list) else [content]
    if deepest <= 0:
        return as_text(content)
    return "\n".join(text for block in blocks if (text := _one_block(block, image, deepest)))


def _one_block(block: Any, image: Callable[[Json], str], deepest: int) -> str:
    if not isinstance(block, dict):
        return as_text(block)
    text = first_string(block, "text", "Text", "output_text")
    if text is not None:
        return text
    if "Json" in block:
        return as_text(block["Json"])
    if is_image(block):
        return image(block)
    if isinstance(block.get("content"), str | list):
        return block_text(block["content"], image, deepest - 1)
    return "" if set(block) <= {"type", "text", "content"} else as_text(block)


def is_image(block: Any) -> bool:
    """Whether a block is an image or a document."""
    kind = string(block.get("type")) if isinstance(block, dict) else None
    return kind is not None and ("image" in kind or kind == "document")


def image_of(block: Json) -> tuple[str, bytes]:
    """Media type and bytes of an image or a document; no bytes where there are none, or none that can be read."""
    source = mapping(block.get("source"))
    media = first_string(source, "media_type", "mediaType") or first_string(block, "media_type", "mimeType") or ""
    data = source.get("data") or block.get("data")
    url = block.get("image_url") or block.get("url") or source.get("url")
    url = url.get("url") if isinstance(url, dict) else url
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url[5:].partition(",")
        media = media or head.partition(";")[0]
    media = media if _MEDIA.fullmatch(media) else string(block.get("type")) or "image"
    try:
        return media, base64.b64decode(data, validate=False) if isinstance(data, str) else b""
    except ValueError:
        return media, b""
