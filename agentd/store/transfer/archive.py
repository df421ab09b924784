"""The ``agentd`` format, writing side: one text file with every part of a session, byte for byte.

::

    {"format":"agentd-session","version":1,"id":"…","parts":3,"boundary":"B","crc":"…"}
    --B {"name":"metadata.json","bytes":523,"sha256":"…","crc":"…"}
    …the part's bytes…
    --B {"name":"transcript.jsonl","bytes":91002,"sha256":"…","crc":"…"}
    …
    --B {"name":"blobs/3f…","bytes":700,"sha256":"…","encoding":"base64","crc":"…"}
    …in lines of 76 characters…
    --B {"end":[…what each part's line says, once more…],"crc":"…"}

A part is as it stands if it is plain UTF-8 text, else in base64; the line feed after it is not its own. ``bytes`` and
``sha256`` are of the part itself, ``crc`` is of its line as in a transcript. B is made of all parts' checksums: no part
can contain it by accident, so where a length is wrong the next part is found by it. The same session gives the same
file. Blocking: in a worker.
"""

import base64
import codecs
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentd.errors import LoadFailed
from agentd.store.files import Files
from agentd.store.lines import sealed
from agentd.store.transfer.parts import Part

FORMAT = "agentd-session"
VERSION = 1
PLAIN, BASE64 = "utf-8", "base64"
_FIT = bytes(byte for byte in range(256) if byte >= 32 or byte in b"\t\n\r")
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Described:
    """What an archive says of a part: its name, its length and checksum, and how it is written."""

    name: str
    size: int
    sha256: str
    encoding: str = PLAIN

    @property
    def stored(self) -> int:
        """Bytes that it takes in the archive."""
        if self.encoding == PLAIN:
            return self.size
        full, rest = divmod(self.size, 57)
        return full * 77 + (((rest + 2) // 3) * 4 + 1 if rest else 0)

    def as_json(self) -> dict[str, Any]:
        said = {"name": self.name, "bytes": self.size, "sha256": self.sha256}
        return said if self.encoding == PLAIN else {**said, "encoding": self.encoding}


def write_archive(files: Files, session_id: str, parts: Sequence[Part], write: Callable[[bytes], None]) -> int:
    """Hand the archive to ``write`` block by block; its size. Each part is read twice, none is held.

    Raises OSError, and LoadFailed for a part that changed meanwhile.
    """
    described = [describe(files, part) for part in parts]
    boundary = boundary_of(described)
    written = 0

    def put(data: bytes) -> None:
        nonlocal written
        written += len(data)
        write(data)

    first = {"format": FORMAT, "version": VERSION, "id": session_id, "parts": len(parts), "boundary": boundary}
    put(_line(first))
    for part, one in zip(parts, described, strict=True):
        put(marker(boundary) + _line(one.as_json()))
        digest = hashlib.sha256()
        for chunk in part.chunks(files):
            digest.update(chunk)
            put(chunk if one.encoding == PLAIN else base64.encodebytes(chunk))
        if digest.hexdigest() != one.sha256:
            raise LoadFailed(f"{part.name} was changed while it was exported. Try again.")
        put(b"\n")
    put(marker(boundary) + _line({"end": [one.as_json() for one in described]}))
    return written


def describe(files: Files, part: Part) -> Described:
    """Reads the part once."""
    digest, size, plain = hashlib.sha256(), 0, True
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in part.chunks(files):
        digest.update(chunk)
        size += len(chunk)
        plain = plain and _is_plain(decoder, chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        plain = False
    return Described(part.name, size, digest.hexdigest(), PLAIN if plain else BASE64)


def _is_plain(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    if chunk.translate(None, _FIT):
        return False
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _line(said: dict[str, Any]) -> bytes:
    """ASCII alone, with its own checksum: a name may hold what is no Unicode."""
    return sealed(_encode(said)[:-1].encode())


def boundary_of(described: Sequence[Described]) -> str:
    said = "\n".join(f"{one.name} {one.size} {one.sha256}" for one in described)
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def marker(boundary: str) -> bytes:
    """What begins the line of a part."""
    return b"--%b " % boundary.encode()
