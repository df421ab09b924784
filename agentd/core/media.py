"""What kind of content some bytes are, by how they begin. A pure function: nothing is trusted, nothing is decoded."""

import json

UNKNOWN = "application/octet-stream"
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_TEXT_CONTROLS = frozenset("\t\n\r\f\x1b")
_LARGEST_JSON = 1 << 20
"""A larger one that looks like JSON is called text: to be sure would cost more than it is worth."""


def media_type(data: bytes) -> str:
    """One of image/png, image/jpeg, image/gif, image/webp, application/pdf, application/json, text/plain, else
    ``application/octet-stream``. Text is UTF-8 without control characters.
    """
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return UNKNOWN
    if any(char < " " and char not in _TEXT_CONTROLS for char in text):
        return UNKNOWN
    return "application/json" if _is_json(text) else "text/plain"


def _is_json(text: str) -> bool:
    """An object or a list: a bare number or word is text to people."""
    if len(text) > _LARGEST_JSON or text.strip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
