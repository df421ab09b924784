"""METHODS: one row for each request to the daemon. The protocol is written here once.

``editors/PROTOCOL.md`` and ``vscode-client/src/protocol.gen.ts`` are generated from this table, and the same table
drives what is registered on a connection.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from agentd.protocol.base import Empty, JsonObject, Wire
from agentd.protocol.shapes import (
    ContextItem,
    DocumentInfo,
    ListStatus,
    Mode,
    ModelInfo,
    Session,
    SessionStats,
    Turn,
    WhenBusy,
)


class ChatParams(Wire):
    session_id: str | None = None
    session_name: str | None = None
    create: bool = False
    prompt: str
    ref: str | None = None
    context: tuple[ContextItem, ...] = ()
    model: str | None = None
    profile: str | None = None
    mode: Mode | None = None
    background: bool = False
    when_busy: WhenBusy = "queue"


class SessionTurn(Wire):
    session: Session
    turn: Turn


class SessionResult(Wire):
    session: Session


class SessionParams(Wire):
    session_id: str


class InterruptParams(Wire):
    session_id: str
    turn: int | None = None


class TurnResult(Wire):
    turn: Turn


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


class ResumeParams(Wire):
    session_id: str | None = None
    limit: int = Field(default=50, ge=0, le=1000)


class ResumeResult(Wire):
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


class TurnsResult(Wire):
    """Oldest first; ``before`` is the next page's parameter, absent on the last page."""

    turns: tuple[Turn, ...]
    before: int | None = None


class ListParams(Wire):
    status: ListStatus = "active"
    query: str | None = None
    parent_id: str | None = None
    tag: str | None = None
    sort: Literal["lastActive", "created", "name"] = "lastActive"
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = None
    scope: Literal["project", "everywhere"] = "project"


class ListResult(Wire):
    sessions: tuple[Session, ...]
    next_cursor: str | None = None
    total: int


class ShowResult(Wire):
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


class ModelsResult(Wire):
    models: tuple[ModelInfo, ...]
    default: str


class CredentialsParams(Wire):
    """``key`` empty: forget the kept key. It is never logged."""

    provider: str
    key: str = Field(repr=False)


class RunningTurn(Wire):
    session_id: str
    name: str | None = None
    turn: int


class StatusResult(Wire):
    """``sessions`` counts by status; ``saving`` is false from a failed write until one works again."""

    version: str
    protocol: int
    pid: int
    root: str
    store: str
    socket: str
    connections: int
    sessions: dict[str, int]
    running: tuple[RunningTurn, ...]
    model: str
    saving: bool
    started: str
    problems: tuple[str, ...] = ()


class ShutdownParams(Wire):
    """``onlyIdle``: refuse while a turn runs or anyone else is attached (a newer installation asks so)."""

    only_idle: bool = False


@dataclass(frozen=True)
class Method:
    """One row: ``name`` on the wire, the types of its parameters and result, and what it does."""

    name: str
    params: type[Wire]
    result: type[Wire]
    doc: str


EVENT = "agentd/event"

METHODS: tuple[Method, ...] = (
    Method("agentd/chat", ChatParams, SessionTurn,
           "Send a prompt. Answered after `turn/ended`; with `background`, or when the prompt is queued, as soon as it "
           "is synced to disk. Subscribes the caller. Neither `sessionId` nor `sessionName`: a new session. "
           "`sessionName` with `create` makes the session at its first use. `ref`, the client's own id, is echoed in "
           "`turn/queued` and `turn/started`, and makes a resend after a broken connection the same turn. "
           "`whenBusy`: `queue` waits, `steer` joins the running turn, `reject` answers sessionBusy."),
    Method("agentd/turn/interrupt", InterruptParams, TurnResult,
           "Stop the running turn and keep all that was streamed; the queue pauses. Nothing runs: the newest turn "
           "is answered. With the number of a queued turn: "
           "drop that one."),
    Method("agentd/turn/retry", SessionParams, SessionTurn,
           "Send the prompt of the failed or interrupted last turn again, in a new turn; the model sees it once."),
    Method("agentd/session/new", NewParams, SessionResult, "Make a session without a prompt."),
    Method("agentd/session/resume", ResumeParams, ResumeResult,
           "Open a session (none named: the active one used last) and subscribe to its events."),
    Method("agentd/session/leave", SessionParams, Empty, "No more events of this session to this connection."),
    Method("agentd/session/turns", TurnsParams, TurnsResult, "An older page of turns, those before turn `before`."),
    Method("agentd/session/list", ListParams, ListResult, "Sessions, a page at a time."),
    Method("agentd/session/show", SessionParams, ShowResult, "One session: statistics, documents, children."),
    Method("agentd/session/fork", ForkParams, SessionResult,
           "A new session that begins with the turns through `turn` (0: none; absent: all that ended). "
           "The original is untouched."),
    Method("agentd/session/name", NameParams, SessionResult, "Name a session by hand: 1 to 256 characters."),
    Method("agentd/session/update", UpdateParams, SessionResult, "Change what is given, leave the rest."),
    Method("agentd/session/archive", SessionParams, SessionResult,
           "Out of the list; it can be read and forked, not chatted with."),
    Method("agentd/session/restore", SessionParams, SessionResult, "An archived session is active again."),
    Method("agentd/session/clear", ClearParams, SessionResult,
           "Earlier turns (all, or all but the last `keep`) stay on disk and are no longer sent to the model."),
    Method("agentd/models", Empty, ModelsResult, "The models that can be named, and the default."),
    Method("agentd/credentials/set", CredentialsParams, Empty,
           "Keep a provider's API key in the operating system's keyring, else in a file that only the user can read."),
    Method("agentd/status", Empty, StatusResult, "The daemon: version, connections, sessions, running turns, saving."),
    Method("agentd/shutdown", ShutdownParams, Empty, "Running turns are interrupted and saved, then the daemon ends."),
)  # fmt: skip

BY_NAME: dict[str, Method] = {method.name: method for method in METHODS}


def method_of(name: str) -> Method | None:
    """The row of a method's name, or None for a stranger."""
    return BY_NAME.get(name)
