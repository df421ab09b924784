"""Sessions that go for good: one that somebody names, or all that are old enough. Over the workspace, on its loop.

Says before what would go. A session is removed from the disk first, durably, and then from what clients see: until
then it is there as it was, and its log usable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentd import clock
from agentd.core.metadata import Metadata, session_view
from agentd.errors import AgentdError, InvalidParams, LoadFailed, SessionBusy, SessionInUse, SessionNotFound
from agentd.protocol import CleanupParams, DeleteParams, DeleteResult, Session
from agentd.session import OpenSession
from agentd.store.api import Remains
from agentd.store.finding import Row
from agentd.workspace import Workspace

PAGE = 100
"""Sessions that are looked at at once."""
LAST_YEAR = 9999


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


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The sessions that went, or would, as wire JSON: the longest unused first. ``bytes``: what that frees."""

    sessions: tuple[bytes, ...]
    bytes: int
    problems: tuple[str, ...] = ()


async def cleanup(workspace: Workspace, params: CleanupParams) -> Cleaned:
    """All that are old enough and that nobody needs. One that cannot be deleted is named, and the others go on."""
    now = datetime.fromisoformat(clock.now())
    try:
        which = _Which(params, now - timedelta(days=params.older_than_days))
    except OverflowError:
        raise InvalidParams("olderThanDays: no session is as old as that") from None
    chosen = await _chosen(workspace, which)
    remains = await workspace.store.measure([one.id for one in chosen])
    queued = {one.session_id for one in remains if one.queued}
    if queued:
        chosen = [one for one in chosen if one.id not in queued]
    if params.dry_run:
        if queued:
            remains = await workspace.store.measure([one.id for one in chosen])
        return Cleaned(tuple(one.json for one in chosen), sum(one.bytes for one in remains))
    gone, freed, problems = [], 0, []
    for one in chosen:
        try:
            freed += await _remove_old(workspace, one, which)
        except SessionNotFound:
            continue  # somebody else was quicker
        except AgentdError as error:
            problems.append(f"Session '{one.id[:8]}' was not deleted: {error.message}")
        else:
            gone.append(one.json)
    return Cleaned(tuple(gone), freed, tuple(problems))


async def _chosen(workspace: Workspace, which: "_Which") -> list[Row]:
    """In pieces, so that others are answered between them."""
    await workspace.recovered()
    chosen: dict[str, Row] = {}
    after = None
    # Times are compared as text here; whatever zone one is written in, it is not a day off.
    until = (which.before + timedelta(days=1)).isoformat() if which.before.year < LAST_YEAR else "9999"
    while page := await workspace.store.index.oldest(until, PAGE, after):
        for row in page:
            session = workspace.sessions.get(row.id)
            view = session.view() if session else Session.model_validate_json(row.json)
            chosen.pop(row.id, None)  # used since it was looked at
            if which.takes(view) and (session is None or _unused(session)):
                chosen[row.id] = row._replace(json=view.dump_json()) if session else row
        after = page[-1].place
    return list(chosen.values())


async def _remove(workspace: Workspace, known: Metadata) -> int:
    """The bytes that this freed."""
    if known.id not in workspace.sessions:
        try:
            return await _remove_closed(workspace, session_view(known, "idle"))
        except SessionInUse:
            pass  # it was opened meanwhile
    try:
        async with workspace.using(known.id) as session, session.order:
            _must_not_work(session)
            return await _remove_open(workspace, session)
    except LoadFailed:
        # It cannot be opened, and goes all the same.
        return await _remove_closed(workspace, session_view(known, "idle"))


async def _remove_old(workspace: Workspace, row: Row, which: "_Which") -> int:
    """The same, if it is still one of those that go: judged by what it says now that nobody else can change it."""
    try:
        async with workspace.using(row.id) as session, session.order:
            if not (_unused(session) and which.takes(session.view())):
                raise SessionBusy("somebody began to use it.")
            if which.params.empty_only and (session.newest or session.waiting):
                raise SessionBusy("it is not empty.")
            return await _remove_open(workspace, session)
    except LoadFailed:
        # It cannot be opened, and goes all the same, if at least its metadata can be read.
        known = next(iter(await workspace.everything([row.id])), None)
        if known is None:
            raise
        view = session_view(known, "idle")
        if not which.takes(view):
            raise SessionBusy("somebody began to use it.") from None
        return await _remove_closed(workspace, view)


async def _remove_closed(workspace: Workspace, view: Session) -> int:
    freed = await workspace.keep(workspace.store.delete(view.id))
    workspace.publish_view("session/deleted", view)
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


@dataclass(frozen=True, slots=True)
class _Which:
    """Of the sessions that nobody uses, those that go."""

    params: CleanupParams
    before: datetime

    def takes(self, known: Session) -> bool:
        params = self.params
        if params.status in ("active", "archived") and known.status != params.status:
            return False
        if params.status == "background" or known.unseen:
            # What runs in the background or was not looked at yet is never taken: none of those is left.
            return False
        if params.keep_named and known.name is not None and known.name_source != "auto":
            return False
        if params.empty_only and (known.turn_count or known.message_count):
            return False
        try:
            return datetime.fromisoformat(known.last_active) < self.before
        except (ValueError, TypeError):
            # A date that somebody damaged says nothing of its age.
            return False


def _unused(session: OpenSession) -> bool:
    """No turn runs or waits, and no client has it open."""
    return session.live is None and not session.waiting and not session.subscribers


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
