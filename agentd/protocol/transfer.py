"""Parameters and results of exporting and importing sessions."""

from typing import Literal

from agentd.protocol.base import Kept, Wire
from agentd.protocol.shapes import Session

ExportFormat = Literal["agentd", "json", "markdown", "html"]
ImportFormat = Literal["agentd", "agenix", "agentry", "amplifier", "amazonq", "claude-code", "codex"]


class ExportParams(Wire):
    """``redact``: without home and workspace paths, keys and tokens.

    ``path``, absolute: write there instead of answering it; in a directory the file is called after the session. A file
    that exists is replaced with ``force`` alone.
    """

    session_id: str
    format: ExportFormat = "agentd"
    redact: bool = False
    path: str | None = None
    force: bool = False


class Redacted(Kept):
    """How often something of this ``kind`` was removed."""

    kind: str
    count: int


class ExportResult(Kept):
    """``content``, or the ``uri`` of the file that was written, and its size."""

    content: str | None = None
    uri: str | None = None
    bytes: int
    redacted: tuple[Redacted, ...] = ()


class ImportParams(Wire):
    """``uri`` (a file or a directory) or ``content``. ``format`` is recognised by content when absent. ``name``: in
    place of the one that it brings."""

    uri: str | None = None
    content: str | None = None
    format: ImportFormat | None = None
    name: str | None = None


class ImportResult(Kept):
    """``warnings`` say what was damaged and left out. ``before``: sessions that were made of the same one earlier."""

    session: Session
    format: ImportFormat
    warnings: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class Found(Kept):
    """A transcript of another program that is about this project. ``imported``: the session that was made of it."""

    uri: str
    format: ImportFormat
    title: str
    last_active: str
    bytes: int
    imported: str | None = None


class ScanResult(Kept):
    """Newest first."""

    found: tuple[Found, ...]
    problems: tuple[str, ...] = ()
