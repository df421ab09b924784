"""METHODS: one row for each request to the daemon. The protocol is written here once.

``editors/PROTOCOL.md`` and ``vscode-client/src/protocol.gen.ts`` are generated from this table, and the same table
drives what is registered on a connection.
"""

from dataclasses import dataclass

from agentd.protocol.base import Empty, Wire
from agentd.protocol.chatting import ChatParams, InterruptParams, SessionTurn, TurnResult
from agentd.protocol.conversing import MessagesParams, MessagesResult, SetMessagesParams
from agentd.protocol.daemon import CredentialsParams, ModelsResult, ProfilesResult, ShutdownParams, StatusResult
from agentd.protocol.finding import ListParams, ListResult, SearchParams, SearchResult, StatsParams, StatsResult
from agentd.protocol.sessions import (
    BlobParams,
    BlobResult,
    CleanupParams,
    CleanupResult,
    ClearParams,
    CompactParams,
    CreateDocumentParams,
    CreateDocumentResult,
    DeleteParams,
    DeleteResult,
    DocumentsResult,
    EventsParams,
    EventsResult,
    ForkParams,
    NameParams,
    NewParams,
    ResumeParams,
    ResumeResult,
    SessionParams,
    SessionResult,
    ShowResult,
    TurnsParams,
    TurnsResult,
    UpdateParams,
)
from agentd.protocol.transfer import ExportParams, ExportResult, ImportParams, ImportResult, ScanResult


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
    Method("agentd/turn/detach", SessionParams, TurnResult,
           "The running turn goes to the background: it is listed there, and marked until somebody has looked."),
    Method("agentd/session/new", NewParams, SessionResult,
           "Make a session without a prompt. "
           "With `parentId` (and a profile): a sub-session of that one."),
    Method("agentd/session/resume", ResumeParams, ResumeResult,
           "Open a session (none named: the active one used last) and subscribe to its events."),
    Method("agentd/session/leave", SessionParams, Empty, "No more events of this session to this connection."),
    Method("agentd/session/turns", TurnsParams, TurnsResult, "An older page of turns, those before turn `before`."),
    Method("agentd/session/messages", MessagesParams, MessagesResult,
           "The conversation as messages of role and content, whole, as other systems' APIs have it."),
    Method("agentd/session/setMessages", SetMessagesParams, SessionResult,
           "The conversation is these messages from now on. What is on record stays, what is told no longer is "
           "cleared, what is new becomes turns; nothing is written when nothing differs."),
    Method("agentd/session/list", ListParams, ListResult, "Sessions, a page at a time."),
    Method("agentd/session/search", SearchParams, SearchResult,
           "Full-text search over names and messages, most recent session first."),
    Method("agentd/session/stats", StatsParams, StatsResult,
           "Messages, tool calls, tokens and cost of a session or of the project, by model and day."),
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
    Method("agentd/session/compact", CompactParams, SessionResult,
           "A summary, written by the session's model in a turn of its own, stands in for earlier turns from now on. "
           "Nothing is deleted. Answered when that turn has ended."),
    Method("agentd/session/seen", SessionParams, SessionResult,
           "Somebody has looked at what a background turn did."),
    Method("agentd/session/delete", DeleteParams, DeleteResult,
           "Delete a session for good, or say what that would free. Its forks and sub-sessions stay whole."),
    Method("agentd/session/cleanup", CleanupParams, CleanupResult,
           "Delete sessions that have not been used for long, or say which would go. Never runs by itself."),
    Method("agentd/session/export", ExportParams, ExportResult, "A session as one file."),
    Method("agentd/session/import", ImportParams, ImportResult,
           "Make a session of an export, or of another program's transcript."),
    Method("agentd/session/scan", Empty, ScanResult, "Other programs' transcripts of this project, to be imported."),
    Method("agentd/session/events", EventsParams, EventsResult, "A session's event log, for debugging."),
    Method("agentd/session/blob", BlobParams, BlobResult, "A large output or an image of a session, by its hash."),
    Method("agentd/session/documents", SessionParams, DocumentsResult, "The session's documents."),
    Method("agentd/session/createDocument", CreateDocumentParams, CreateDocumentResult,
           "Make a document of the session: a Markdown file beside the code, out of git."),
    Method("agentd/profiles", Empty, ProfilesResult, "The profiles that a session can have: the user's agents/*.md."),
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
