"""The loop of one turn: prompt, model, and what it said to the journal, the clients and the transcript.

A turn lives in the daemon's task group. Only an interrupt ends it early; no exception leaves its task: a failure is
the turn's end, with all that was streamed kept.
"""

import logging
import random
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from agentd import clock
from agentd.context import readme_head
from agentd.core.exchange import ModelTraits, Request
from agentd.core.history import build_request
from agentd.core.live import LiveTurn
from agentd.core.readme import first_words
from agentd.core.records import item_draft, turn_draft
from agentd.errors import AgentdError, ModelFailed, SessionBusy, StoreFailed
from agentd.models.api import Model
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
from agentd.session import OpenSession
from agentd.store.api import QueuedPrompt
from agentd.stream import Stream
from agentd.workspace import Workspace

logger = logging.getLogger(__name__)
LONGEST_WAIT = 60.0
"""Seconds. A provider that wants us to wait longer is told to the person instead."""
ROUNDS = 50
BYTES_A_TOKEN = 6
ABOUT = 420
"""Characters of the README that the embedded model is shown."""
SYSTEM = (
    "You are a coding assistant that people reach from their editor. Be brief and exact, answer in Markdown, and say "
    "so when you do not know. The project is at {root}."
)
SYSTEM_EMBEDDED = "You are a concise assistant for a software project."


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
    await workspace.write(session, [turn_draft(turn), item_draft(number, turn.items[0])])
    named = {"mode": settings.mode, "profile": settings.profile}
    if traits:
        named |= {"model": traits.id, "provider": traits.provider}
    changes = {key: value for key, value in named.items() if value is not None}
    session.begin(LiveTurn(turn), anyio.CancelScope(), changes)
    session.waiter(number)
    session.log.log_event("turn/started", {"turn": number, "model": turn.model})
    workspace.publish(session, TurnEvent(type="turn/started", turn=turn))
    workspace.publish_session("session/changed", session)
    workspace.tasks.spawn(_run(workspace, session, dict(environment)))
    return turn


async def _run(workspace: Workspace, session: OpenSession, environment: Mapping[str, str]) -> None:
    live, scope = session.live, session.scope
    assert live is not None and scope is not None
    session.users += 1
    problem: Problem | None = None
    stream = Stream(workspace, session, live)
    if workspace.closing:
        scope.cancel()  # it was being written when the daemon was told to end
    with scope:
        try:
            await _rounds(workspace, session, live, stream, environment)
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
        await _finish(workspace, session, live, stream, status, problem)
    except Exception:
        # A mistake of ours must not leave a session that runs for ever.
        logger.exception("session %s: turn %d could not be ended", session.id[:8], live.number)
        internal = Problem(kind="internal", message="agentd failed; its log says where", retryable=True)
        _over(workspace, session, live.ended("failed", clock.now(), internal))
    finally:
        session.users -= 1
        workspace.let_go(session)


async def _rounds(
    workspace: Workspace, session: OpenSession, live: LiveTurn, stream: Stream, environment: Mapping[str, str]
) -> None:
    """Ask the model until it ends the turn."""
    model = workspace.models.find(session.metadata.model or await workspace.models.default(environment))
    for _ in range(ROUNDS):
        request = await _request(workspace, session, live, model.traits)
        live.begin_call()
        await _ask(workspace, session, model, request, stream, environment)
        stream.flush()
        if live.usage is not None:
            workspace.publish(session, UsageEvent(turn=live.number, usage=live.usage))
        if live.stop_reason == "pause_turn":
            continue
        if live.stop_reason != "tool_use" or not _answer_tools(live, stream):
            return
        await _take_steers(workspace, session, live)
    raise ModelFailed(f"The model was asked {ROUNDS} times and did not end its turn.", "badReply", retryable=True)


async def _request(workspace: Workspace, session: OpenSession, live: LiveTurn, traits: ModelTraits) -> Request:
    conversation = await session.log.conversation(traits.context_window * BYTES_A_TOKEN)
    left_out = {live.number, live.start.retry_of}
    earlier = [turn for turn in conversation.turns if turn.number not in left_out]
    return build_request(
        traits,
        earlier,
        await _shown(workspace, live, traits),
        system=[SYSTEM_EMBEDDED if traits.embedded else SYSTEM.format(root=workspace.root), *conversation.system],
        summary=conversation.summary,
        max_tokens=workspace.settings.max_tokens,
        thinking=workspace.settings.thinking,
    )


async def _shown(workspace: Workspace, live: LiveTurn, traits: ModelTraits) -> Turn:
    """The running turn as the model is shown it.

    The embedded model cannot look at the project, so the first words of its README go before the prompt: so small a
    model heeds what stands beside the question, and hardly what stands in the system prompt.
    """
    turn = live.snapshot()
    head = await readme_head(workspace.root) if traits.embedded else None
    about = first_words(head, ABOUT) if head else None
    if not about:
        return turn
    prompt, *rest = turn.items
    readme = ContextText(title=f"From the README of this project, {workspace.root.name}", text=about)
    prompt = prompt.model_copy(update={"context": (readme, *(prompt.context or ()))})
    return turn.model_copy(update={"items": (prompt, *rest)})


async def _ask(
    workspace: Workspace,
    session: OpenSession,
    model: Model,
    request: Request,
    stream: Stream,
    environment: Mapping[str, str],
) -> None:
    """One call of the model. What fails before its first word is tried again, visibly; later than that, never."""
    for attempt in range(workspace.settings.retries + 1):
        try:
            async with aclosing(model.stream(request, environment)) as events:  # type: ignore[type-var]
                async for event in events:
                    stream.feed(event)
            stream.check()
            return
        except ModelFailed as error:
            wait = _wait(error, attempt, workspace.settings.retry_seconds)
            if stream.spoke or not error.retryable or attempt == workspace.settings.retries or wait > LONGEST_WAIT:
                raise
            message = f"{error.message} Asking again in {wait:.0f} s ({attempt + 1} of {workspace.settings.retries})."
            notice = Notice(kind="retry", message=message, turn=stream.live.number, seconds=round(wait, 1))
            workspace.publish(session, notice)
            await anyio.sleep(wait)


def _wait(error: ModelFailed, attempt: int, base: float) -> float:
    """Seconds: what the provider asks for, else doubling from ``base``, a little apart from everybody else's."""
    if error.retry_after is not None:
        return max(error.retry_after, 0.0)
    return min(LONGEST_WAIT, base * 2.0**attempt) * random.uniform(0.9, 1.1)  # noqa: S311


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
) -> None:
    """Keep all that the turn brought, tell everybody, and take up the next prompt that waits."""
    with anyio.CancelScope(shield=True):
        stream.close()
        async with session.order:
            turn = live.ended(status, clock.now(), problem)
            turn = turn.model_copy(update={"messages": session.messages_after(turn)})
            drafts = [*(item_draft(turn.number, item) for item in turn.items[1:]), turn_draft(turn)]
            try:
                await workspace.write(session, drafts)
                session.log.journal_clear()
            except StoreFailed as error:
                unsaved = Problem(kind=error.kind, message=error.message, retryable=True)
                turn = turn.model_copy(update={"status": "failed", "error": unsaved})
                # What is written later is what everybody is shown now.
                session.unsaved.extend([*drafts[:-1], turn_draft(turn)])
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
