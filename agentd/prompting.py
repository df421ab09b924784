"""Prompts on their way in: which session, at once or in the queue, and who waits for the end.

A prompt is accepted in the daemon's task group: a request that is cancelled meanwhile, or loses its client, leaves it
whole. Only a client that cancels its request, or ``interrupt``, ends a turn.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from agentd import clock
from agentd.core.limits import check_prompt
from agentd.core.metadata import Metadata, checked_name
from agentd.core.records import turn_draft
from agentd.errors import InvalidParams, SessionArchived, SessionBusy, SessionNotFound
from agentd.making import new_metadata, with_profile
from agentd.protocol import ChatParams, NewParams, SessionTurn, Turn, TurnEvent
from agentd.session import OpenSession, Peer, queued_turn, text_digest
from agentd.store.api import QueuedPrompt
from agentd.turns import PromptSettings, begin, begin_queued
from agentd.workspace import Workspace

RESENT_TURNS = 5
"""Newest turns that are looked at for a prompt that is sent again after the session was opened anew."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prompt that is on disk. ``ended`` resolves with its turn; ``turn`` is that turn as it was accepted.

    ``at_once``: the request is answered now, not at the turn's end.
    """

    session: OpenSession
    turn: Turn
    ended: "asyncio.Future[Turn]"
    at_once: bool = False


async def chat(workspace: Workspace, peer: Peer, params: ChatParams) -> SessionTurn:
    """``agentd/chat``: answered when the turn is over, or at once when it runs in the background or waits."""
    if not params.prompt.strip():
        raise InvalidParams("prompt: must not be empty")
    check_prompt(params.prompt)
    accepting = workspace.tasks.owned(_accept(workspace, peer, params))
    try:
        accepted = await asyncio.shield(accepting)
    except asyncio.CancelledError:
        if not peer.gone:
            accepting.add_done_callback(lambda done: _stop_accepted(workspace, done))
        raise
    if accepted.at_once:
        return SessionTurn(session=accepted.session.view(), turn=accepted.turn)
    return await until_ended(workspace, peer, accepted)


async def retry(workspace: Workspace, peer: Peer, asked: str) -> SessionTurn:
    """``agentd/turn/retry``: the failed or interrupted last prompt again; with none, the first prompt that waits."""
    accepted = await workspace.tasks.own(_accept_retry(workspace, peer, asked))
    return await until_ended(workspace, peer, accepted)


async def interrupt(workspace: Workspace, asked: str, number: int | None) -> Turn:
    """Stop the running turn and answer with it when all of it is kept, or drop a prompt that waits."""
    async with workspace.using(asked) as session:
        live = session.live
        if live is not None and number in (None, live.number):
            ended = session.waiter(live.number)
            stop(session)
            return await asyncio.shield(ended)
        if number is not None:
            return await workspace.tasks.own(_drop(workspace, session, number))
        if session.last is not None:
            return session.last  # it ended by itself a moment ago
        raise InvalidParams("turn: nothing runs in this session")


async def detach(workspace: Workspace, asked: str) -> Turn:
    """The running turn is a background one from now on: listed as such, and marked until somebody has looked."""
    async with workspace.using(asked) as session, session.order:
        live = session.live
        if live is None:
            raise InvalidParams(f"Session '{session.id[:8]}': no turn runs that could go to the background")
        if not live.start.background:
            start = live.start.model_copy(update={"background": True})
            await workspace.write(session, [turn_draft(start)])
            live.restate(start)
            session.log.log_event("turn/detached", {"turn": live.number})
            workspace.publish_session("session/changed", session)
        return live.snapshot()


def stop(session: OpenSession) -> None:
    """End the running turn now. What waits goes on waiting until somebody says so."""
    if session.scope is not None:
        session.paused = bool(session.waiting)
        session.scope.cancel()


async def until_ended(workspace: Workspace, peer: Peer, accepted: Accepted) -> SessionTurn:
    try:
        turn = await asyncio.shield(accepted.ended)
    except asyncio.CancelledError:
        if not peer.gone:
            _stop_turn(workspace, accepted)
        raise
    return SessionTurn(session=accepted.session.view(), turn=turn)


def _stop_accepted(workspace: Workspace, done: "asyncio.Future[Accepted]") -> None:
    if not done.cancelled() and done.exception() is None:
        _stop_turn(workspace, done.result())


def _stop_turn(workspace: Workspace, accepted: Accepted) -> None:
    """Who asked wants it no more: what runs is stopped, what waits (a steer as well) is dropped."""
    session, number = accepted.session, accepted.turn.number
    if session.live is not None and session.live.number == number:
        stop(session)
    elif any(prompt.number == number for prompt in session.waiting):
        workspace.tasks.owned(_drop(workspace, session, number))


async def _accept(workspace: Workspace, peer: Peer, params: ChatParams) -> Accepted:
    workspace.tasks.spawn(workspace.models.warm())
    params = await with_profile(workspace, params)
    context = await workspace.screen.gather(params.prompt, params.context)
    async with await _session_for(workspace, peer, params) as session, session.order:
        if known := await _same_prompt(session, params):
            _subscribe(session, peer)
            at_once = params.background or (known.status == "queued" and params.when_busy != "steer")
            return Accepted(session, known, _ended(session, known), at_once)
        if session.metadata.status == "archived":
            raise SessionArchived(session.id)
        if session.live is None:
            _subscribe(session, peer)
            turn = await begin(
                workspace,
                session,
                params.prompt,
                environment=peer.environment,
                context=context,
                ref=params.ref,
                background=params.background,
                settings=PromptSettings(params.model, params.mode, params.profile),
            )
            return Accepted(session, turn, session.waiter(turn.number), params.background)
        if params.when_busy == "reject":
            raise SessionBusy(f"Session '{session.id[:8]}' is answering another prompt; yours was not kept.")
        prompt = QueuedPrompt(
            number=session.next_number,
            prompt=params.prompt,
            time=clock.now(),
            context=context,
            ref=params.ref,
            model=params.model,
            mode=params.mode,
            background=params.background,
            steer=params.when_busy == "steer",
            profile=params.profile,
        )
        return await _enqueue(workspace, peer, session, prompt)


async def _enqueue(workspace: Workspace, peer: Peer, session: OpenSession, prompt: QueuedPrompt) -> Accepted:
    """The prompt waits, on disk. One that steers is answered with the turn that it joins or becomes."""
    await workspace.keep(session.log.enqueue(prompt))
    _subscribe(session, peer)
    session.environments[prompt.number] = dict(peer.environment)
    turn = queued_turn(prompt)
    session.remember(turn)
    workspace.publish(session, TurnEvent(type="turn/queued", turn=turn))
    workspace.publish_session("session/changed", session)
    return Accepted(session, turn, session.waiter(prompt.number), at_once=not prompt.steer)


async def _session_for(
    workspace: Workspace, peer: Peer, params: ChatParams
) -> AbstractAsyncContextManager[OpenSession]:
    """The session that the prompt goes to: the one named, or a new one."""
    if params.session_id is not None:
        return workspace.using(await workspace.find(params.session_id))
    if params.session_name is None:
        return _new_unless_resent(workspace, peer, params)
    async with workspace.naming:
        try:
            return workspace.using(await workspace.find(params.session_name))
        except SessionNotFound:
            if not params.create:
                raise
        metadata = await _new_metadata(workspace, peer, params, checked_name(params.session_name))
        async with workspace.using_new(metadata) as session:
            return workspace.using(session.id)


@asynccontextmanager
async def _new_unless_resent(workspace: Workspace, peer: Peer, params: ChatParams) -> AsyncIterator[OpenSession]:
    """A new session; or the one that this very prompt has made already, before its client lost the connection."""
    if params.ref is None:
        async with workspace.using_new(await _new_metadata(workspace, peer, params, None)) as session:
            yield session
        return
    await workspace.recovered()
    key = (params.ref, text_digest(params.prompt))
    known = await workspace.resends.session(key)
    if known is not None:
        async with workspace.using(known) as session:
            yield session
        return
    with workspace.resends.making(key) as made:
        async with workspace.using_new(await _new_metadata(workspace, peer, params, None)) as session:
            made.set_result(session.id)
            yield session


async def _new_metadata(workspace: Workspace, peer: Peer, params: ChatParams, name: str | None) -> Metadata:
    asked = NewParams(name=name, model=params.model, mode=params.mode, profile=params.profile)
    return await new_metadata(workspace, peer.environment, asked, peer.cwd)


def _subscribe(session: OpenSession, peer: Peer) -> None:
    """Who prompts hears of it; who was refused does not. A client that is gone hears nothing."""
    if not peer.gone:
        session.subscribe(peer)


async def _same_prompt(session: OpenSession, params: ChatParams) -> Turn | None:
    """The turn that this very prompt began already: a client that lost its connection sends it again.

    The text is compared too, because two clients may count their own prompts alike.
    """
    if params.ref is None:
        return None
    if not session.refs_read:
        # What was prompted before the session was opened: a client sends again soon or never.
        page = await session.log.page(session.newest + 1, RESENT_TURNS)
        for turn in (*page.turns, *session.queued_turns()):
            session.remember(turn)
        session.refs_read = True
    number = session.refs.get((params.ref, text_digest(params.prompt)))
    if number is None:
        return None
    if session.live is not None and session.live.number == number:
        return session.live.snapshot()
    if session.last is not None and session.last.number == number:
        return session.last
    waiting = next((turn for turn in session.queued_turns() if turn.number == number), None)
    if waiting is not None or number > session.newest:
        return waiting  # one that was dropped is sent anew
    page = await session.log.page(number + 1, 1)
    return next((turn for turn in page.turns if turn.number == number), None)


def _ended(session: OpenSession, turn: Turn) -> "asyncio.Future[Turn]":
    """A future of the turn's end, resolved already when it is over."""
    if (session.live is not None and session.live.number == turn.number) or turn.status == "queued":
        return session.waiter(turn.number)
    over: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
    over.set_result(turn)
    return over


async def _accept_retry(workspace: Workspace, peer: Peer, asked: str) -> Accepted:
    async with workspace.using(asked) as session, session.order:
        if session.metadata.status == "archived":
            raise SessionArchived(session.id)
        if session.live is not None:
            raise SessionBusy(f"Session '{session.id[:8]}' is answering already: there is nothing to retry.")
        last = await _last_prompted(session)
        _subscribe(session, peer)
        for prompt in session.waiting:
            # Who says that it goes on lends key and endpoint to prompts whose own client is gone.
            session.environments.setdefault(prompt.number, dict(peer.environment))
        if last is not None and last.status in ("failed", "interrupted"):
            turn = await _begin_again(workspace, peer, session, last)
        elif session.waiting:
            turn = await begin_queued(workspace, session, session.waiting[0])
        else:
            raise InvalidParams("There is nothing to retry: the last prompt was answered as it should be.")
        session.paused = False
        return Accepted(session, turn, session.waiter(turn.number))


async def _last_prompted(session: OpenSession) -> Turn | None:
    """The newest turn that a prompt began: a compaction after it changes nothing about retrying it."""
    last, before = session.last, session.newest
    while last is not None and last.compacted is not None:
        page = await session.log.page(before, 1)
        if not page.turns:
            return None
        last, before = page.turns[-1], page.turns[-1].number
    return last


async def _begin_again(workspace: Workspace, peer: Peer, session: OpenSession, last: Turn) -> Turn:
    prompt = next((item for item in last.items if item.kind == "prompt"), None)
    if prompt is None or not prompt.text:
        raise InvalidParams(f"Turn {last.number} has no prompt on record that could be sent again.")
    return await begin(
        workspace,
        session,
        prompt.text,
        environment=peer.environment,
        context=prompt.context or (),
        background=bool(last.background),
        retry_of=last.number,
    )


async def _drop(workspace: Workspace, session: OpenSession, number: int) -> Turn:
    """Forget a prompt that waits."""
    async with session.order:
        waiting = next((prompt for prompt in session.waiting if prompt.number == number), None)
        if waiting is None:
            raise InvalidParams(f"turn: {number} neither runs nor waits in this session")
        await workspace.keep(session.log.dequeue(number))
        turn = queued_turn(waiting).model_copy(update={"status": "interrupted", "ended": clock.now()})
        workspace.publish(session, TurnEvent(type="turn/ended", turn=turn))
        session.resolve(number, turn)
        if not session.waiting:
            session.paused = False
        workspace.publish_session("session/changed", session)
        return turn
