"""``agentd/session/resume``, ``/leave`` and ``/turns``: opening a session and reading it page by page."""

from agentd.errors import SessionNotFound
from agentd.protocol import (
    Empty,
    ResumeParams,
    ResumeResult,
    SessionParams,
    SessionResult,
    TurnsParams,
    TurnsResult,
)
from agentd.server.handlers.context import Answer, Context
from agentd.session import OpenSession
from agentd.workspace import Workspace


async def resume(context: Context, params: ResumeParams) -> Answer:
    """One step on the loop: subscribe, snapshot the live turn, note where the transcript ends. Then read.

    This session's events wait until the answer is queued, so the client misses nothing and sees nothing twice.
    """
    workspace, peer = context.workspace, context.peer
    workspace.tasks.spawn(workspace.models.warm())
    asked = params.session_id if params.session_id is not None else await _latest(workspace)
    async with workspace.using(asked) as session:
        subscription = session.subscribe(peer, held=True)
        try:
            running = session.live.snapshot() if session.live else None
            before = running.number if running else session.newest + 1
            queued, seq, view = session.queued_turns(), workspace.seq, session.view()
            pages = await session.log.page(before, params.limit) if params.limit else None
            _seen(workspace, session)
            result = ResumeResult(
                session=view,
                turns=session.with_unsaved(pages.turns) if pages else (),
                before=pages.before if pages else before,
                running=running,
                queued=queued,
                seq=seq,
            )
        except BaseException:
            subscription.release()
            raise
        return Answer(result, subscription.release)


async def leave(context: Context, params: SessionParams) -> Empty:
    async with context.workspace.using(params.session_id) as session:
        session.unsubscribe(context.peer.id)
    return Empty()


async def turns(context: Context, params: TurnsParams) -> TurnsResult:
    async with context.workspace.using(params.session_id) as session:
        newest = session.live.number if session.live else session.newest + 1
        before = newest if params.before is None else min(params.before, newest)
        page = await session.log.page(before, params.limit)
        return TurnsResult(turns=session.with_unsaved(page.turns), before=page.before)


async def seen(context: Context, params: SessionParams) -> SessionResult:
    async with context.workspace.using(params.session_id) as session:
        _seen(context.workspace, session)
        return SessionResult(session=session.view())


async def _latest(workspace: Workspace) -> str:
    """The active session that was used last."""
    found = await workspace.finding.latest()
    if found is None:
        raise SessionNotFound("latest")
    return found


def _seen(workspace: Workspace, session: OpenSession) -> None:
    """Somebody looks: what a background turn did is no longer news."""
    if session.metadata.unseen_turn is not None and session.live is None:
        session.metadata = session.metadata.changed(unseen_turn=None)
        workspace.publish_session("session/changed", session)
        workspace.save_soon(session)
