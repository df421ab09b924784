"""Parameters and results of ``agentd/session/*`` that make, open and change sessions."""

from pydantic import Field

from agentd.protocol.base import JsonObject, Kept, Wire
from agentd.protocol.shapes import DocumentInfo, ListStatus, Mode, Session, SessionStats, Turn


class SessionResult(Kept):
    session: Session


class SessionParams(Wire):
    session_id: str


class NewParams(Wire):
    name: str | None = None
    profile: str | None = None
    model: str | None = None
    mode: Mode | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    metadata: JsonObject = Field(default_factory=dict)
    working_dir: str | None = None
    parent_id: str | None = None
    agent_overlay: JsonObject = Field(default_factory=dict)
    config: JsonObject = Field(default_factory=dict)


class ResumeParams(Wire):
    session_id: str | None = None
    limit: int = Field(default=50, ge=0, le=1000)


class ResumeResult(Kept):
    """``running`` holds all of the live turn so far; events go on after ``seq``: no gap, nothing twice."""

    session: Session
    turns: tuple[Turn, ...]
    before: int | None = None
    running: Turn | None = None
    queued: tuple[Turn, ...] = ()
    seq: int


class TurnsParams(Wire):
    session_id: str
    before: int | None = None
    limit: int = Field(default=50, ge=1, le=1000)


class TurnsResult(Kept):
    """Oldest first; ``before`` is the next page's parameter, absent on the last page."""

    turns: tuple[Turn, ...]
    before: int | None = None


class ShowResult(Kept):
    session: Session
    stats: SessionStats
    documents: tuple[DocumentInfo, ...] = ()
    children: tuple[Session, ...] = ()


class ForkParams(Wire):
    session_id: str
    turn: int | None = Field(default=None, ge=0)
    name: str | None = None


class NameParams(Wire):
    session_id: str
    name: str


class UpdateParams(Wire):
    session_id: str
    model: str | None = None
    profile: str | None = None
    mode: Mode | None = None
    tags: tuple[str, ...] | None = None
    description: str | None = None
    metadata: JsonObject | None = None


class ClearParams(Wire):
    session_id: str
    keep_system: bool = True
    keep: int | None = Field(default=None, ge=0)


class CompactParams(Wire):
    """``keepTurns``: this many of the newest turns stay as they are; absent: as many as fit well."""

    session_id: str
    keep_turns: int | None = Field(default=None, ge=0)


class DeleteParams(Wire):
    """``dryRun``: say what would go. Otherwise ``confirm`` must be true."""

    session_id: str
    confirm: bool = False
    dry_run: bool = False


class DeleteResult(Kept):
    """``deleted`` are ids; ``bytes`` is what it frees on disk: the session's files and ``documents``, without what its
    forks share. ``queued`` are the prompts that wait in it and go with it.
    """

    deleted: tuple[str, ...]
    bytes: int
    documents: int = 0
    queued: int = 0


class CleanupParams(Wire):
    """Which sessions go: last active more than ``olderThanDays`` days ago.

    ``emptyOnly``: only those without a turn. ``keepNamed``: those that a person named stay. Never one in which a turn
    runs or a prompt waits, that a client has open, or whose background turn nobody has looked at; a sub-session goes
    by its own age. Nothing is deleted unless ``dryRun`` is false.
    """

    older_than_days: float = Field(default=30, ge=0)
    status: ListStatus = "all"
    empty_only: bool = False
    keep_named: bool = True
    dry_run: bool = True


class CleanupResult(Kept):
    """The sessions that went (or would), what that frees in bytes, and those that could not be deleted, with why.

    ``total`` is how many went; ``sessions`` lists no more than the 1000 that were unused longest.
    """

    sessions: tuple[Session, ...]
    total: int
    bytes: int
    problems: tuple[str, ...] = ()


class EventsParams(Wire):
    """``after``: the ``seq`` of the last line that was seen."""

    session_id: str
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=200, ge=1, le=10_000)


class EventsResult(Kept):
    """Lines of the session's event log, oldest first, each with ``seq``, ``time`` and ``event``."""

    events: tuple[JsonObject, ...]
    next_after: int | None = None


class BlobParams(Wire):
    session_id: str
    hash: str = Field(pattern="^[0-9a-f]{64}$")


class BlobResult(Kept):
    """``content`` is base64."""

    content: str
    media_type: str


class DocumentsResult(Kept):
    """``uri`` is the directory of the session's documents, whether it exists yet or not."""

    uri: str
    documents: tuple[DocumentInfo, ...]


class CreateDocumentParams(Wire):
    """``name`` is a file name; ``.md`` is added. A name that is taken is refused."""

    session_id: str
    name: str
    text: str = ""


class CreateDocumentResult(Kept):
    uri: str
    documents: tuple[DocumentInfo, ...]
