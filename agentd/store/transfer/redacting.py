"""The parts of an ``agentd`` export without what is nobody else's business: no longer byte for byte, still a session.

Every record that can be read is judged field by field and sealed anew; what cannot be read cannot be judged, and is
left out, counted. Blobs that are no text are left out too. Blocking: in a worker.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agentd.core.metadata import Metadata
from agentd.core.redaction import Redactor
from agentd.protocol import ContextText
from agentd.store import lines
from agentd.store.api import QueuedPrompt
from agentd.store.files import Files
from agentd.store.fork import BLOBS
from agentd.store.transcript import segment_number
from agentd.store.transfer.parts import DOCUMENTS, SIDE_FILE, Part, Snapshot, parts_of

LONGEST_RECORD = 64 << 20
LARGEST_TEXT = 16 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


def redacted_parts(files: Files, taken: Snapshot, redactor: Redactor, directory: Path) -> list[Part]:
    """Like ``parts_of``; what is made anew is kept in ``directory``, which is ours alone. Raises OSError."""
    queued = tuple(_prompt(redactor, prompt) for prompt in taken.queued)
    parts = parts_of(files, replace(taken, metadata=redacted_metadata(redactor, taken.metadata), queued=queued))
    renamed: dict[str, str] = {}
    blobs = {part.name: made for part in parts if (made := _blob(files, redactor, part, renamed)) is not None}
    kept: list[Part] = []
    for part in parts:
        name = part.name
        if SIDE_FILE.fullmatch(name):
            redactor.removed["damaged record"] += 1
        elif segment_number(name) is not None:
            kept.append(_segment(files, redactor, part, renamed, directory))
        elif name.startswith(f"{BLOBS}/"):
            kept += [blobs[name]] if name in blobs else []
        elif name.startswith(f"{DOCUMENTS}/"):
            text = _text(files, part)
            if text is None:
                redactor.removed["binary document"] += 1
            else:
                kept.append(Part(redactor.text(name), redactor.text(text).encode()))
        else:
            kept.append(part)
    return list({part.name: part for part in kept}.values())


def redacted_metadata(redactor: Redactor, metadata: Metadata) -> Metadata:
    stays = {"id", "parent_id", "trace_id", "forked_from", "branch", "created", "last_active", "version"}
    known = metadata.model_dump(mode="json", exclude_none=True)
    return Metadata.model_validate(
        {key: value if key in stays else redactor.value(value, key) for key, value in known.items()}
    )


def _prompt(redactor: Redactor, prompt: QueuedPrompt) -> QueuedPrompt:
    context = tuple(ContextText.model_validate(redactor.body(one.dump())) for one in prompt.context)
    return replace(prompt, prompt=redactor.text(prompt.prompt), context=context)


def _blob(files: Files, redactor: Redactor, part: Part, renamed: dict[str, str]) -> Part | None:
    """The blob under the hash of what it is now."""
    if not part.name.startswith(f"{BLOBS}/"):
        return None
    text = _text(files, part)
    if text is None:
        redactor.removed["binary blob"] += 1
        return None
    data = redactor.text(text).encode()
    digest = hashlib.sha256(data).hexdigest()
    renamed[part.name.removeprefix(f"{BLOBS}/")] = digest
    return Part(f"{BLOBS}/{digest}", data)


def _text(files: Files, part: Part) -> str | None:
    """A part's text; None if it is none, or too large to be looked at."""
    if part.size > LARGEST_TEXT:
        return None
    try:
        text = b"".join(part.chunks(files)).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _segment(files: Files, redactor: Redactor, part: Part, renamed: dict[str, str], directory: Path) -> Part:
    path, size = directory / part.name, 0
    fd = files.create(path)
    try:
        for line in _lines(files, part):
            made = _record(redactor, line, renamed) if line is not None else None
            if made is None:
                redactor.removed["damaged record"] += 1
            else:
                files.write(fd, made)
                size += len(made)
    finally:
        files.close(fd)
    return Part(part.name, path=path, size=size)


def _record(redactor: Redactor, line: bytes, renamed: dict[str, str]) -> bytes | None:
    parsed = lines.parse_object(line)
    record = lines.parse(line) if parsed is not None else None
    if parsed is None or record is None:
        return None
    value = parsed[0]
    value.pop("crc", None)
    envelope = {key: value[key] for key in value if key in lines.ENVELOPE}
    body = redactor.body(record.body)
    made = {key: body[key] if key in body else envelope[key] for key in value if key in body or key in envelope}
    # A field whose name was a secret has another one now.
    made |= {key: one for key, one in body.items() if key not in made}
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    if renamed:
        text = _HASH.sub(lambda met: renamed.get(met.group(), met.group()), text)
    return lines.sealed(text[:-1].encode("utf-8", "replace"))


def _lines(files: Files, part: Part) -> Iterator[bytes | None]:
    """The lines of a part; None for one that is too long to be looked at."""
    carry, too_long = bytearray(), False
    for chunk in part.chunks(files):
        pieces = chunk.split(b"\n")
        for place, piece in enumerate(pieces):
            if not too_long:
                carry += piece
            too_long = too_long or len(carry) > LONGEST_RECORD
            if place < len(pieces) - 1:
                if carry or too_long:
                    yield None if too_long else bytes(carry)
                carry, too_long = bytearray(), False
    if carry or too_long:
        yield None if too_long else bytes(carry)
