"""Sessions that go for good: one that somebody names, or all that are old enough. Over the workspace, on its loop.

Says before what would go. A session is removed from the disk first, durably, and then from what clients see: until
then it is there as it was, and its log usable.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from agentd import clock
from agentd.core.metadata import Metadata, session_view
from agentd.errors import AgentdError, InvalidParams, LoadFailed, SessionBusy, SessionInUse, SessionNotFound
from agentd.protocol import CleanupParams, CleanupResult, DeleteParams, DeleteResult, Session
from agentd.session import OpenSession
from agentd.store.api import Remains
from agentd.workspace import Workspace


async def delete(workspace: Workspace, params: DeleteParams) -> DeleteResult:
    """One session. Raises InvalidParams unless that was confirmed, SessionBusy while a turn runs."""
    session_id = await workspace.find(params.session_id)
    known = next(iter(await workspace.everything([session_id])), None)
    if known is None:
        raise SessionNotFound(params.session_id)
    if open_now := workspace.sessions.get(session_id):
        _must_not_work(open_now)
    (remains,) = await workspace.store.measure([session_id])
    result = DeleteResult(
        deleted=(session_id,), bytes=remains.bytes, documents=remains.documents, queued=remains.queued
    )
    if params.dry_run:
        return result
    if not params.confirm:
        raise InvalidParams(
            f"confirm: nothing was deleted. Deleting session '{session_id[:8]}' for good would remove "
            f"{_told(known, remains)}. To do that, send confirm: true.",
        )
    return result.model_copy(update={"bytes": await _remove(workspace, known)})


async def cleanup(workspace: Workspace, params: CleanupParams) -> CleanupResult:
    """All that are old enough and that nobody needs. One that cannot be deleted is named, and the others go on."""
    now = datetime.fromisoformat(clock.now())
    try:
        before = now - timedelta(days=params.older_than_days)
    except OverflowError:
        raise InvalidParams("olderThanDays: no session is as old as that") from None
    chosen = [one for one in await workspace.everything() if _chosen(workspace, one, params, before)]
    remains = {one.session_id: one for one in await workspace.store.measure([one.id for one in chosen])}
    chosen = [one for one in chosen if not remains[one.id].queued]
    if params.dry_run:
        freed = sum(one.bytes for one in await workspace.store.measure([one.id for one in chosen]))
        return CleanupResult(sessions=_views(chosen), bytes=freed)
    gone, freed, problems = [], 0, []
    for one in chosen:
        try:
            freed += await _remove(workspace, one, params, before)
        except AgentdError as error:
            problems.append(f"Session '{one.id[:8]}' was not deleted: {error.message}")
        else:
            gone.append(one)
    return CleanupResult(sessions=_views(gone), bytes=freed, problems=tuple(problems))


async def _remove(
    workspace: Workspace, known: Metadata, params: CleanupParams | None = None, before: datetime | None = None
) -> int:
    """The bytes that this freed. With ``params``: only if it is still one of those that go."""
    if known.id not in workspace.sessions and not (params and params.empty_only):
        try:
            freed = await workspace.keep(workspace.store.delete(known.id))
        except SessionInUse:
            pass  # it was opened meanwhile
        else:
            workspace.publish_view("session/deleted", session_view(known, "idle"))
            return freed
    try:
        async with workspace.using(known.id) as session, session.order:
            _must_not_work(session)
            if params and before and not (_chosen(workspace, session.metadata, params, before) and _unused(session)):
                raise SessionBusy("somebody began to use it.")
            if params and params.empty_only and (session.newest or session.waiting):
                raise SessionBusy("it is not empty.")
            return await _remove_open(workspace, session)
    except LoadFailed:
        # It cannot be opened, and goes all the same.
        freed = await workspace.keep(workspace.store.delete(known.id))
        workspace.publish_view("session/deleted", session_view(known, "idle"))
        return freed


async def _remove_open(workspace: Workspace, session: OpenSession) -> int:
    """Within its order: nothing of it is being written."""
    view = session.view()
    freed = await workspace.keep(workspace.store.delete(session.id, session.log))
    if workspace.sessions.get(session.id) is session:
        del workspace.sessions[session.id]
    workspace.publish_view("session/deleted", view, session)
    session.delete()
    return freed


def _must_not_work(session: OpenSession) -> None:
    """A turn runs, or the next of its waiting prompts is about to."""
    if session.live is not None or (session.waiting and not session.paused):
        raise SessionBusy(f"Session '{session.id[:8]}' is answering: it can be deleted when the turn is over.")


def _chosen(workspace: Workspace, known: Metadata, params: CleanupParams, before: datetime) -> bool:
    session = workspace.sessions.get(known.id)
    if session is not None and not _unused(session):
        return False
    if params.status in ("active", "archived") and known.status != params.status:
        return False
    if params.status == "background" or known.unseen_turn is not None:
        # What runs in the background or was not looked at yet is never taken: none of those is left.
        return False
    if params.keep_named and known.name is not None and known.name_source != "auto":
        return False
    if params.empty_only and (known.turn_count or known.message_count):
        return False
    try:
        return datetime.fromisoformat(known.last_active) < before
    except (ValueError, TypeError):
        # A date that somebody damaged says nothing of its age.
        return False


def _unused(session: OpenSession) -> bool:
    """No turn runs or waits, and no client has it open."""
    return session.live is None and not session.waiting and not session.subscribers


def _views(sessions: Iterable[Metadata]) -> tuple[Session, ...]:
    return tuple(session_view(one, "idle") for one in sorted(sessions, key=lambda one: one.last_active))


def _told(known: Metadata, remains: Remains) -> str:
    named = f"“{known.name}”: " if known.name else ""
    parts = [_count(known.turn_count, "turn"), _count(known.message_count, "message")]
    if remains.documents:
        parts.append(_count(remains.documents, "document"))
    if remains.queued:
        parts.append(_count(remains.queued, "prompt") + (" that waits" if remains.queued == 1 else " that wait"))
    return f"{named}{', '.join(parts)} ({_size(remains.bytes)})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _size(size: float) -> str:
    units: Sequence[str] = ("bytes", "KB", "MB", "GB")
    for unit in units[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {units[-1]}"
