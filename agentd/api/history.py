"""SessionManager: sessions saved and loaded by a name of one's own, without async. Two call forms, one meaning.

What is saved are real sessions: the project's, through its daemon, which editors see; or those of a directory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, overload

from agentd import paths
from agentd.api import storing
from agentd.api.directory import DirectoryHistory
from agentd.api.project import ProjectHistory
from agentd.api.runner import wait
from agentd.core.role_messages import Message
from agentd.errors import InvalidParams, SessionNotFound
from agentd.protocol import Session, SetMessagesParams


class History(Protocol):
    """Where sessions are kept, by name."""

    async def save(self, params: SetMessagesParams) -> None: ...
    async def load(self, name: str) -> list[Message]:
        """Raises SessionNotFound, LoadFailed."""

    async def sessions(self) -> Sequence[Session]: ...
    async def find(self, name: str) -> Session | None: ...
    async def delete(self, name: str) -> bool: ...


class SessionManager:
    """Saves and loads sessions by id, a name of 1 to 256 characters.

    ``history_dir``: they are kept in this directory, made at the first save, apart from every project. None: they are
    sessions of the project of ``root`` (None: found from the current directory), through its daemon, as editors see
    them; then an id may also be that of a session that has no name.

    Every method works inside and outside a running event loop. It blocks: the work runs on a private thread with a
    loop of its own. Subclasses may override ``save_session`` and ``load_session`` to keep sessions elsewhere, without
    calling ``__init__``; ``AgentSession`` and ``Agent`` take such a manager and save to it after each turn.
    """

    _history_dir: ClassVar[str | None] = None
    _root: ClassVar[str | None] = None

    def __init__(self, history_dir: Path | str | None = None, *, root: Path | str | None = None) -> None:
        """Touches nothing yet. Raises InvalidParams when both are given."""
        if history_dir is not None and root is not None:
            raise InvalidParams("history_dir and root: sessions are kept in one place; give one of them")
        self._where: History = _history(history_dir, root)

    @overload
    def save_session(self, session_id: str, messages: Sequence[Mapping[str, Any]]) -> None: ...
    @overload
    def save_session(self, session_id: Mapping[str, Any]) -> None: ...
    @overload
    def save_session(self, *, session_data: Mapping[str, Any]) -> None: ...
    def save_session(
        self,
        session_id: str | Mapping[str, Any] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        session_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Save under an id: ``save_session(session_id, messages)``, or ``save_session(session_data)``.

        ``session_data`` has ``id`` and ``messages``, and may have ``metadata`` (with ``name`` and ``tags``),
        ``model`` and ``working_dir``. The session says these messages from now on; only what differs is written, and
        nothing is lost: what is told no longer stays on record. On return it is on disk.

        Raises InvalidParams for what are no messages, InvalidName, StoreFailed, SessionBusy while a turn of it runs,
        SessionArchived.
        """
        data = session_data if session_data is not None else session_id
        if isinstance(data, str):
            if messages is None:
                raise InvalidParams("messages: save_session(session_id, messages) needs them")
            data = {"id": data, "messages": messages}
        elif messages is not None:
            raise InvalidParams("session_id: must be a string")
        wait(self._kept.save(_params(data)))

    def load_session(self, session_id: str) -> list[Message] | None:
        """The messages as they were saved (role and content, the system's first), or None when there is no such
        session. Raises LoadFailed for one that cannot be read."""
        try:
            return wait(self._kept.load(session_id))
        except SessionNotFound:
            return None

    def list_sessions(self) -> list[dict[str, Any]]:
        """Sessions, last used first: ``id``, ``created_at`` (ISO 8601, local time without a zone, as
        ``datetime.now().isoformat()`` gives) and ``message_count``. Archived ones and sub-sessions are left out."""
        return [
            {
                "id": session.name or session.id,
                "created_at": storing.local_time(session.created).isoformat(),
                "message_count": session.message_count,
            }
            for session in wait(self._kept.sessions())
        ]

    def delete_session(self, session_id: str) -> bool:
        """Delete a session for good. False when there is none. Only a whole id or name counts, never a beginning."""
        return wait(self._kept.delete(session_id))

    def session_exists(self, session_id: str) -> bool:
        """Whether a session has this id or name, archived ones included."""
        return wait(self._kept.find(session_id)) is not None

    @property
    def _kept(self) -> History:
        if "_where" not in vars(self):  # a subclass with a constructor of its own
            self._where = _history(None, None)
        return self._where


def _history(history_dir: Path | str | None, root: Path | str | None) -> History:
    if history_dir is not None:
        return DirectoryHistory(Path(history_dir).expanduser().absolute())
    return ProjectHistory(Path(root if root is not None else paths.find_root(str(Path.cwd()))).resolve())


def _params(data: Mapping[str, Any] | None) -> SetMessagesParams:
    """What a ``session_data`` says. Raises InvalidParams."""
    if not isinstance(data, Mapping) or not isinstance(data.get("id"), str):
        raise InvalidParams("session_data: must be a mapping with id, a string, and messages")
    messages = data.get("messages")
    if not isinstance(messages, list | tuple):
        raise InvalidParams("messages: must be a list of messages with role and content")
    wrong = next((place for place, message in enumerate(messages) if not isinstance(message, Mapping)), None)
    if wrong is not None:
        raise InvalidParams(f"messages.{wrong}: is no object with role and content")
    given = data.get("metadata")
    metadata = dict(given) if isinstance(given, Mapping) else None
    tags = metadata.pop("tags", None) if metadata else None
    title = metadata.pop("name", None) if metadata else None
    return SetMessagesParams(
        session_name=data["id"],
        create=True,
        messages=tuple(dict(message) for message in messages),
        tags=tuple(map(str, tags)) if isinstance(tags, list | tuple) else None,
        description=title if isinstance(title, str) and title != data["id"] else None,
        metadata=metadata,
        model=data["model"] if isinstance(data.get("model"), str) else None,
        working_dir=data["working_dir"] if isinstance(data.get("working_dir"), str) else None,
    )
