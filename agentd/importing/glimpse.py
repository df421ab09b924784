"""A look at the beginning of a transcript: whose it is, what it is about, which directory it was in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentd.errors import ImportFailed
from agentd.importing import codex_items, files
from agentd.importing import values as v
from agentd.importing.claude_index import has_results, is_injected, texts_of
from agentd.importing.claude_text import said
from agentd.importing.values import Json
from agentd.session import one_line

FIRST = 16 << 10
"""Bytes that tell the directory, mostly."""
MORE = 512 << 10
"""Bytes that tell the first prompt, mostly."""
NO_TITLE = "(no prompt)"
_CWD = re.compile(rb'"cwd"\s*:\s*("(?:[^"\\]|\\.){0,4096}")')


@dataclass(frozen=True, slots=True)
class Glimpse:
    id: str
    title: str


def claude(path: Path, root: str) -> Glimpse | None:
    """None for one of another project, or without a message."""
    data = _beginning(path, root)
    if data is None:
        return None
    session, title, spoken = "", "", False
    for record in _objects(data):
        session = session or v.string(record.get("sessionId")) or ""
        spoken = spoken or record.get("type") in ("user", "assistant")
        if record.get("isSidechain") is True:
            continue
        message = v.mapping(record.get("message"))
        if record.get("type") != "user" or is_injected(record) or has_results(message):
            continue
        if record.get("isCompactSummary") is True:
            continue
        typed = [one.text for text in texts_of(message) if (one := said(text)).kind == "prompt"]
        if typed:
            title = one_line(" ".join(typed))
            break
    return Glimpse(session or path.stem, title or NO_TITLE) if spoken else None


def codex(path: Path, root: str) -> Glimpse | None:
    data = _beginning(path, root)
    if data is None:
        return None
    session, title = "", ""
    for record in _objects(data):
        payload = v.mapping(record.get("payload")) or record
        if record.get("type") == "session_meta" or not session:
            session = session or v.first_string(payload, "id", "session_id") or ""
        kind = payload.get("type")
        text = ""
        if kind == "user_message":
            text = v.string(payload.get("message")) or ""
        elif kind == "message" and payload.get("role") == "user":
            parts = v.listed(payload.get("content")) or [payload.get("content")]
            texts = [v.block_text(part) for part in parts if not v.is_image(part)]
            text = "\n".join(one for one in texts if not codex_items.is_injected(one))
        if text.strip() and not codex_items.is_injected(text):
            title = one_line(codex_items.prompt_text(text))
            break
    return Glimpse(session or path.stem, title or NO_TITLE)


def messages(path: Path) -> Glimpse | None:
    """Agenix and Agentry: they keep their sessions in the project itself."""
    data = _read(path, MORE)
    if data is None:
        return None
    session, title = "", ""
    try:
        whole = v.parse_json(data)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "messages" in whole:
        session = v.first_string(whole, "session_id", "id") or ""
        records: Iterator[Json] = iter(v.mappings(whole["messages"]))
    else:
        records = _objects(data)
    known = bool(session)
    for record in records:
        if record.get("type") == "session_header":
            session, known = v.string(record.get("session_id")) or "", True
        message = v.mapping(record.get("message")) or record
        if message.get("role") == "user" and (title := one_line(_words(message.get("content")))):
            known = True
            break
    if not known and not data.lstrip().startswith((b"{", b"[")):
        return None
    return Glimpse(session or path.stem.removesuffix("_chat"), title or NO_TITLE)


def directory(path: Path) -> Glimpse | None:
    """Amplifier and Amazon Q: a directory with metadata."""
    data = files.small_file(path / "metadata.json", MORE)
    try:
        metadata = v.mapping(v.parse_json(data)) if data is not None else {}
    except ValueError:
        metadata = {}
    if not metadata:
        return None
    title = one_line(v.first_string(metadata, "name", "first_message", "description") or "")
    if not title:
        for record in _objects(_read(path / "transcript.jsonl", MORE) or b""):
            if record.get("role") == "user" and (title := one_line(_words(record.get("content")))):
                break
    return Glimpse(v.first_string(metadata, "session_id", "id") or path.name, title or NO_TITLE)


def _words(content: object) -> str:
    return v.block_text(content, lambda _: "")


def _beginning(path: Path, root: str) -> bytes | None:
    """The beginning of a transcript that was made in this root or below it."""
    try:
        with files.opened(path, follow=False) as source:
            data = source.read_at(FIRST, 0)
            cwd = _CWD.search(data)
            if cwd is None:
                data += source.read_at(MORE - FIRST, FIRST)
                cwd = _CWD.search(data)
            if cwd is None or not _within(cwd.group(1), root):
                return None
            return data if len(data) > FIRST else data + source.read_at(MORE - FIRST, FIRST)
    except ImportFailed:
        return None


def _within(quoted: bytes, root: str) -> bool:
    try:
        place = json.loads(quoted.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return False
    return isinstance(place, str) and (place == root or place.startswith(root.rstrip("/") + "/"))


def _read(path: Path, size: int) -> bytes | None:
    try:
        with files.opened(path, follow=False) as source:
            return source.read_at(size, 0)
    except ImportFailed:
        return None


def _objects(data: bytes) -> Iterator[Json]:
    """The objects of whole lines."""
    for line in data.split(b"\n"):
        try:
            value = v.parse_json(line) if line.strip() else None
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
