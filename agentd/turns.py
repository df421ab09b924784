"""The loop of one turn: prompt, model, and what it said to the journal, the clients and the transcript.

A turn lives in the daemon's task group. Only an interrupt ends it early; no exception leaves its task: a failure is
the turn's end, with all that was streamed kept.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio

from agentd import clock
from agentd.asking import request_for
from agentd.core.history import tokens_asked, window_told
from agentd.core.live import LiveTurn
from agentd.core.records import Draft, item_draft, turn_draft
from agentd.errors import AgentdError, ModelFailed, SessionBusy, StoreFailed
from agentd.models.api import Model
from agentd.naming import name_session
from agentd.protocol import (
    ContextText,
    Item,
    ItemEnded,
    ItemStarted,
    Mode,
    Notice,
    Problem,
    Turn,
    TurnEvent,
    TurnStatus,
    UsageEvent,
)
from agentd.running import Running, Work, ask
from agentd.session import OpenSession
from agentd.store.api import QueuedPrompt
from agentd.stream import Stream
from agentd.summing import make_room
from agentd.workspace import Workspace

logger = logging.getLogger(__name__)
ROUNDS = 50
SHORTER = 0.6
"""Of what was too long: for a second try."""
LEAST = 500
"""Tokens: less than that is not what was too long."""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """What a prompt named of its session's settings."""

    model: str | None = None
    mode: Mode | None = None
    profile: str | None = None


NO_SETTINGS = PromptSettings()


async def begin(
    workspace: Workspace,
    session: OpenSession,
    prompt: str,
    *,
    environment: Mapping[str, str],
    context: tuple[ContextText, ...] = (),
    ref: str | None = None,
    background: bool = False,
    queued: int | None = None,
    retry_of: int | None = None,
    settings: PromptSettings = NO_SETTINGS,
) -> Turn:
    """Start a turn, within ``session.order``: its start and prompt are on disk when this returns.

    ``queued`` is the number that the prompt had while it waited: the turn's, unless it was overtaken. What the prompt
    named of ``settings`` (model, mode, profile) is the session's from then on.
    """
    if workspace.closing:
        raise SessionBusy("The daemon is being stopped: the prompt was not kept. Send it again; a new daemon starts.")
    number = queued if queued is not None and queued > session.newest else session.next_number
    traits = workspace.models.traits(settings.model) if settings.model else None
    turn = Turn(
        number=number,
        status="running",
        started=clock.now(),
        items=(Item(id=f"{number}.1", kind="prompt", text=prompt, context=context or None),),
        model=traits.id if traits else session.metadata.model,
        ref=ref,
        background=background or None,
        retry_of=retry_of,
        queued=queued,
        mode=settings.mode,
        profile=settings.profile,
    )
    named = {"mode": settings.mode, "profile": settings.profile}
    if traits:
        named |= {"model": traits.id, "provider": traits.provider}
    changes = {key: value for key, value in named.items() if value is not None}
    await start(workspace, session, turn, environment, _rounds, changes)
    return turn


async def start(
    workspace: Workspace,
    session: OpenSession,
    turn: Turn,
    environment: Mapping[str, str],
    work: Work,
    settings: Mapping[str, Any],
) -> None:
    """Begin this turn, within ``session.order``: on disk, then shown, then ``work`` runs in the daemon's tasks."""
    await workspace.write(session, [turn_draft(turn), *(item_draft(turn.number, item) for item in turn.items)])
    session.begin(LiveTurn(turn), anyio.CancelScope(), settings)
    session.waiter(turn.number)
    session.log.log_event("turn/started", {"turn": turn.number, "model": turn.model})
    workspace.publish(session, TurnEvent(type="turn/started", turn=turn))
    workspace.publish_session("session/changed", session)
    workspace.tasks.spawn(_run(workspace, session, dict(environment), work))


async def _run(workspace: Workspace, session: OpenSession, environment: Mapping[str, str], work: Work) -> None:
    live, scope = session.live, session.scope
    assert live is not None and scope is not None
    session.users += 1
    problem: Problem | None = None
    marks: Sequence[Draft] = ()
    stream = Stream(workspace, session, live)
    if workspace.closing:
        scope.cancel()  # it was being written when the daemon was told to end
    with scope:
        try:
            marks = await work(Running(workspace, session, live, stream, environment))
        except AgentdError as error:
            problem = Problem(kind=error.kind, message=error.message, retryable=True)
        except Exception:
            logger.exception("session %s: turn %d failed", session.id[:8], live.number)
            problem = Problem(kind="internal", message="agentd failed; its log says where", retryable=True)
    if scope.cancelled_caught:
        reason = "The daemon was stopped." if workspace.closing else "Interrupted."
        problem = Problem(kind="interrupted", message=reason, retryable=True)
    status: TurnStatus = "interrupted" if scope.cancelled_caught else "failed" if problem else "completed"
    try:
        await _finish(workspace, session, live, stream, status, problem, marks)
        if session.last is not None and _wants_name(workspace, session, session.last):
            workspace.tasks.spawn(name_session(workspace, session.id, session.last, environment))
    except Exception:
        # A mistake of ours must not leave a session that runs for ever.
        logger.exception("session %s: turn %d could not be ended", session.id[:8], live.number)
        internal = Problem(kind="internal", message="agentd failed; its log says where", retryable=True)
        _over(workspace, session, live.ended("failed", clock.now(), internal))
    finally:
        session.users -= 1
        workspace.let_go(session)


def _wants_name(workspace: Workspace, session: OpenSession, turn: Turn) -> bool:
    known = session.metadata
    asked = workspace.settings.naming != "off" and not workspace.closing
    fresh = known.name is None and known.name_source is None and known.parent_id is None
    return asked and fresh and turn.status == "completed" and turn.compacted is None


async def _rounds(run: Running) -> Sequence[Draft]:
    """Ask the model until it ends the turn."""
    workspace, session, live, stream = run.workspace, run.session, run.live, run.stream
    model_id = session.metadata.model or await workspace.models.default(run.environment)
    await make_room(run, workspace.models.find(model_id))
    for _ in range(ROUNDS):
        await _call(run, workspace.models.find(model_id))
        stream.flush()
        if live.usage is not None:
            workspace.publish(session, UsageEvent(turn=live.number, usage=live.usage))
        if live.stop_reason == "pause_turn":
            continue
        if live.stop_reason != "tool_use" or not _answer_tools(live, stream):
            return ()
        await _take_steers(workspace, session, live)
    raise ModelFailed(f"The model was asked {ROUNDS} times and did not end its turn.", "badReply", retryable=True)


async def _call(run: Running, model: Model) -> None:
    """One round. What the model finds too long is asked once more, shorter: our estimate of its tokens was too low."""
    request = await request_for(run.workspace, run.session, run.live, model.traits)
    run.live.begin_call()
    try:
        await ask(run, model, request)
    except ModelFailed as error:
        room = int(tokens_asked(request) * SHORTER)
        if error.reason != "tooLong" or run.stream.spoke or room < LEAST:
            raise
        # Half of a small window is the reply's.
        window = min(room + min(room, request.max_tokens), model.traits.context_window)
        window = window_told(error.message, request) or window
        traits = replace(model.traits, context_window=window)
        shorter = await request_for(run.workspace, run.session, run.live, traits)
        if shorter == replace(request, max_tokens=shorter.max_tokens):
            raise
        message = f"{error.message} Asking again without the oldest turns."
        run.workspace.publish(run.session, Notice(kind="retry", message=message, turn=run.live.number))
        await ask(run, model, shorter)


def _answer_tools(live: LiveTurn, stream: Stream) -> bool:
    """Answer the calls of this round. No tool exists yet, and none was offered: the model is told so."""
    open_calls = [item for item in live.items if item.kind == "tool" and item.status in ("running", "failed")]
    for item in open_calls:
        if item.status == "running":
            stream.answered(item.model_copy(update={"status": "failed", "output": f"There is no tool '{item.name}'."}))
    return bool(open_calls)


async def _take_steers(workspace: Workspace, session: OpenSession, live: LiveTurn) -> None:
    """Prompts that steer join the turn between two calls of the model. Whole or not at all: no interrupt in between."""
    with anyio.CancelScope(shield=True):
        async with session.order:
            for prompt in [prompt for prompt in session.waiting if prompt.steer]:
                await _take_steer(workspace, session, live, prompt)


async def _take_steer(workspace: Workspace, session: OpenSession, live: LiveTurn, prompt: QueuedPrompt) -> None:
    context = prompt.context or None
    item = live.next_item("prompt", text=prompt.prompt, context=context, queued=prompt.number, ref=prompt.ref)
    await workspace.write(session, [item_draft(live.number, item)])
    live.add(item)
    session.remember(live.snapshot())
    await workspace.forget(session, prompt.number)
    workspace.publish(session, ItemStarted(turn=live.number, item=item))
    workspace.publish(session, ItemEnded(turn=live.number, item=item))
    session.follow(prompt.number, live.number)


async def _finish(
    workspace: Workspace,
    session: OpenSession,
    live: LiveTurn,
    stream: Stream,
    status: TurnStatus,
    problem: Problem | None,
    marks: Sequence[Draft],
) -> None:
    """Keep all that the turn brought, tell everybody, and take up the next prompt that waits."""
    with anyio.CancelScope(shield=True):
        stream.close()
        async with session.order:
            turn = live.ended(status, clock.now(), problem)
            counts = {"messages": session.messages_after(turn), "turns": session.metadata.turn_count}
            turn = turn.model_copy(update=counts)
            items = [item_draft(turn.number, item) for item in turn.items[live.begun :]]
            try:
                await workspace.write(session, [*items, *marks, turn_draft(turn)])
                session.log.journal_clear()
            except StoreFailed as error:
                unsaved = Problem(kind=error.kind, message=error.message, retryable=True)
                turn = turn.model_copy(update={"status": "failed", "error": unsaved})
                # What is written later is what everybody is shown now: a turn that failed, and no mark that it made.
                session.unsaved.extend([*items, turn_draft(turn)])
            _over(workspace, session, turn)
            await _go_on(workspace, session, turn)
        workspace.save_soon(session)


def _over(workspace: Workspace, session: OpenSession, turn: Turn) -> None:
    """Everybody is told that the turn is over."""
    session.end(turn)
    session.log.log_event("turn/ended", {"turn": turn.number, "status": turn.status})
    workspace.publish(session, TurnEvent(type="turn/ended", turn=turn))
    session.resolve(turn.number, turn)
    workspace.publish_session("session/changed", session)
    if turn.background:
        name = session.metadata.name or session.id[:8]
        workspace.notice("background", f"Background session '{name}': {turn.status}.", session=session)


async def _go_on(workspace: Workspace, session: OpenSession, ended: Turn) -> None:
    """Take up the first prompt that waits, within ``session.order``; after a turn that broke off, all wait on."""
    if not session.waiting:
        return
    first, count = session.waiting[0], len(session.waiting)
    waits = f"{count} prompt{'s wait' if count > 1 else ' waits'}; retry goes on"
    if session.paused or workspace.closing or ended.status != "completed":
        _pause(workspace, session, f"The queue is paused: {waits}.")
    elif first.number not in session.environments:
        # Another client's key or endpoint is nothing to run it with.
        _pause(workspace, session, f"The client that sent the next prompt is gone: {waits}.")
    else:
        try:
            await begin_queued(workspace, session, first)
        except AgentdError as error:
            _pause(workspace, session, f"{error.message} {waits}.")


def _pause(workspace: Workspace, session: OpenSession, why: str) -> None:
    session.paused = True
    session.answer_waiting()
    workspace.publish(session, Notice(kind="queue", message=why))


async def begin_queued(workspace: Workspace, session: OpenSession, prompt: QueuedPrompt) -> Turn:
    """Start a prompt that waited. It is forgotten by the queue once its turn is on disk.

    One that was overtaken while the queue was paused gets a new number: numbers are in the order of the turns.
    ``turn/started`` then has the old one in ``queued``.
    """
    turn = await begin(
        workspace,
        session,
        prompt.prompt,
        environment=session.environments.get(prompt.number, {}),
        context=prompt.context,
        ref=prompt.ref,
        background=prompt.background,
        queued=prompt.number,
        settings=PromptSettings(prompt.model, prompt.mode, prompt.profile),
    )
    if turn.number != prompt.number:
        session.follow(prompt.number, turn.number)
    await workspace.forget(session, prompt.number)
    return turn
