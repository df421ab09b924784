"""Content by how it begins."""

import pytest

from agentd.core.media import UNKNOWN, media_type


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF87a\x01\0", "image/gif"),
        (b"GIF89a\x01\0", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", UNKNOWN),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b' {"a": [1, 2]}\n', "application/json"),
        (b"[]", "application/json"),
        (b'{"a": 1} and more', "text/plain"),
        (b"[" * 100_000, "text/plain"),
        (b"12", "text/plain"),
        ("grüße\n\tπ".encode(), "text/plain"),
        (b"", "text/plain"),
        (b"\x1b[31mred\x1b[0m\n", "text/plain"),
        (b"text\0with a zero", UNKNOWN),
        (b"\xfe\xff\0a", UNKNOWN),
        (b"\x89PN", UNKNOWN),
    ],
)
def test_media_type(data: bytes, expected: str) -> None:
    assert media_type(data) == expected
