"""Which program a session is of, told by its content and never by its name, and the reading that follows from it."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice

from agentd.errors import ImportFailed
from agentd.importing import amazonq, claude_code, codex, documents, exported
from agentd.importing import values as v
from agentd.importing.messages import ROLES
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading
from agentd.importing.salvaging import salvaged
from agentd.importing.source import LONGEST_DOCUMENT, Lines, Listed, Records, Source, document
from agentd.importing.values import Json
from agentd.protocol import ImportFormat

LOOKED_FOR = (
    "looked for an export of agentd, sessions of Claude Code and Codex (.jsonl), Agenix (.json, .jsonl), Agentry "
    "(.toon), Amplifier (a session's directory) and Amazon Q (a session's directory, or a file kept with /save)"
)
BEGINNING = 64
"""Objects that are looked at."""
_CLAUDE = frozenset(
    {"user", "assistant", "system", "summary", "progress", "attachment", "file-history-snapshot", "queue-operation"}
    | {"last-prompt", "mode", "permission-mode", "pr-link", "custom-title", "ai-title", "agent-name", "atis-latch"}
)
_TOON = re.compile(rb"\A\s*(?:[A-Za-z_][\w.]*:[^\n]*\n\s*){0,40}?[A-Za-z_][\w.]*\[#?\d+[,|\t]?\](?:\{[^}\n]*\})?:")
_MARKUP = re.compile(rb"\A\s*(?:<!doctype html|<html|# )", re.IGNORECASE)
Stopped = Callable[[], bool]


def read_file(
    source: Source, name: str, wanted: ImportFormat | None, stopped: Stopped,
    others: Callable[[], Sequence[tuple[str, Source]]] = lambda: (),
) -> Reading:  # fmt: skip
    """``name`` without its ending; ``others`` are files of sub-agents. Raises ImportFailed when it is no session."""
    if not source.size:
        raise ImportFailed(f"{source.name} is empty.")
    lines = Lines(source, stopped)
    first = list(islice(lines.all(), BEGINNING))
    found = _format_of_lines([record for _, record in first])
    if found is not None and first[0][0].line == 1:
        _agree(found, wanted)
        return _read_lines(found, lines, name, stopped, others)
    if found is None and _TOON.match(source.read_at(4096, 0)):
        raise ImportFailed(
            "This is TOON text, which is not read. Agentry keeps sessions as JSON too, in files of the same ending: "
            "those are."
        )
    if found is None or source.size <= LONGEST_DOCUMENT:
        with suppress(ValueError):
            return _read_document(document(source, stopped), source, name, wanted, stopped)
    if found is not None:
        _agree(found, wanted)
        return _read_lines(found, lines, name, stopped, others)
    saved = salvaged(source, stopped)
    reading = _read_document(saved, source, name, wanted, stopped)
    reading.problems.note("The file is damaged or was cut off: what is whole of it is imported.")
    return reading


def _format_of_lines(records: Sequence[Json]) -> ImportFormat | None:
    for record in records:
        kind = record.get("type")
        payload = record.get("payload")
        if kind == "session_header" or (kind == "message" and isinstance(record.get("message"), dict)):
            return "agenix"
        if v.one_of(kind, codex.ENVELOPES) and isinstance(payload, dict):
            return "codex"
        if "record_type" in record or (kind == "message" and isinstance(record.get("content"), list)):
            return "codex"
        if kind is None and {"id", "timestamp"} <= record.keys() and {"instructions", "git"} & record.keys():
            return "codex"
        if v.one_of(kind, _CLAUDE) and {"message", "uuid", "sessionId", "leafUuid", "messageId"} & record.keys():
            return "claude-code"
        if v.one_of(record.get("role"), ROLES) and "content" in record:
            return "amplifier"
    return None


def _agree(found: ImportFormat, wanted: ImportFormat | None) -> None:
    if wanted is not None and wanted != found:
        raise ImportFailed(
            f"This is a session of {found}, not of {wanted}: leave the format out, or name the right one."
        )


def _read_lines(
    found: ImportFormat, lines: Records, name: str, stopped: Stopped,
    others: Callable[[], Sequence[tuple[str, Source]]],
) -> Reading:  # fmt: skip
    match found:
        case "agenix":
            return documents.read_agenix_lines(lines, name)
        case "codex":
            return codex.read(lines, name)
        case "amplifier":
            return documents.read_amplifier({}, lines, name, Problems())
        case _:
            return claude_code.read(lines, name, [(other, Lines(source, stopped)) for other, source in others()])


def _read_document(whole: object, source: Source, name: str, wanted: ImportFormat | None, stopped: Stopped) -> Reading:
    beginning = source.read_at(4096, 0)
    if whole is None and _MARKUP.match(beginning):
        raise ImportFailed(
            "This reads like a session exported for people (Markdown or HTML). To import one, export it as 'agentd'."
        )
    if whole is None:
        raise ImportFailed(f"No session is recognised in {source.name}: {LOOKED_FOR}.")
    known = v.mapping(whole)
    if isinstance(known.get("loglines"), list):
        whole = known["loglines"]
    if isinstance(whole, list) and (found := _format_of_lines(v.mappings(whole)[:BEGINNING])) not in (
        None,
        "amplifier",
    ):
        assert found is not None
        _agree(found, wanted)
        return _read_lines(found, Listed(whole, stopped), name, stopped, lambda: ())
    if exported.is_exported(whole):
        _agree("agentd", wanted)
        return exported.read_exported(known, name)
    if amazonq.is_saved(whole):
        _agree("amazonq", wanted)
        return amazonq.read_saved(known, name)
    if wanted != "agentry" and documents.is_agenix(whole):
        _agree("agenix", wanted)
        return documents.read_agenix(known, name)
    if documents.is_agentry(whole):
        _agree("agentry", wanted)
        return documents.read_agentry(whole, name)
    raise ImportFailed(f"No session is recognised in {source.name}: {LOOKED_FOR}.")
