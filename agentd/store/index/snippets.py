"""What is shown of a match: its record, read back from the transcript. Blocking: call from a worker.

Holds one record at a time. One that is not what was indexed (the file was edited) is not shown; its session is named.
"""

from collections.abc import Sequence
from pathlib import Path

from agentd.core.records import Record
from agentd.core.words import Term, snippet
from agentd.store.backward import Line
from agentd.store.files import Files
from agentd.store.finding import TextHit
from agentd.store.index.documents import LONGEST, TEXT, document_kind, document_turn, read_line, text_of
from agentd.store.index.searching import Match
from agentd.store.transcript import segment_name


def read_back(
    files: Files, sessions: Path, matches: Sequence[Match], terms: Sequence[Term]
) -> tuple[list[TextHit], set[str]]:
    """The matches as they are shown, and the sessions whose files say something else."""
    hits: list[TextHit] = []
    stale: set[str] = set()
    for match in matches:
        text: str | None = match.title
        if match.kind != "name":
            record = _record(files, sessions / match.row.id, match)
            text = None if record is None else text_of(record)[:TEXT]
        if text is None:
            stale.add(match.row.id)
        else:
            hits.append(TextHit(match.row, match.turn, match.kind, *snippet(text, terms)))
    return hits, stale


def _record(files: Files, directory: Path, match: Match) -> Record | None:
    try:
        fd = files.open_read(directory / segment_name(match.segment))
    except OSError:
        return None
    try:
        end = match.offset + match.length
        data = files.read_at(fd, match.length, match.offset) if match.length <= LONGEST else None
        record = read_line(files, fd, Line(match.offset, end, data))
    except OSError:
        return None
    finally:
        files.close(fd)
    if record is None or (document_turn(record), document_kind(record)) != (match.turn, match.kind):
        return None
    return record
