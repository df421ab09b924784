"""Prompts on their way in: which session, at once or in the queue, and who waits for the end.

A prompt is accepted in the daemon's task group: a request that is cancelled meanwhile, or loses its client, leaves it
whole. Only a client that cancels its request, or ``interrupt``, ends a turn.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from agentd import clock
from agentd.core.metadata import Metadata, checked_name
from agentd.errors import InvalidParams, SessionArchived, SessionBusy, SessionNotFound
from agentd.protocol import ChatParams, SessionTurn, Turn, TurnEvent
from agentd.session import OpenSession, Peer, prompt_of, queued_turn
from agentd.store.api import QueuedPrompt
from agentd.turns import begin, begin_queued, take_settings
from agentd.workspace import Workspace


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
    accepting = workspace.owned(_accept(workspace, peer, params))
    try:
        accepted = await asyncio.shield(accepting)
    except asyncio.CancelledError:
        if not peer.gone:
            accepting.add_done_callback(lambda done: _stop_accepted(workspace, done))
        raise
    if accepted.at_once:
        return SessionTurn(session=accepted.session.view(), turn=accepted.turn)
    return await _until_ended(workspace, peer, accepted)


async def retry(workspace: Workspace, peer: Peer, asked: str) -> SessionTurn:
    """``agentd/turn/retry``: the failed or interrupted last prompt again; with none, the first prompt that waits."""
    accepted = await workspace.own(_accept_retry(workspace, peer, asked))
    return await _until_ended(workspace, peer, accepted)


async def interrupt(workspace: Workspace, asked: str, number: int | None) -> Turn:
    """Stop the running turn and answer with it when all of it is kept, or drop a prompt that waits."""
    async with workspace.using(asked) as session:
        live = session.live
        if live is not None and number in (None, live.number):
            ended = session.waiter(live.number)
            stop(session)
            return await asyncio.shield(ended)
        if number is not None:
            return await workspace.own(_drop(workspace, session, number))
        if session.last is not None:
            return session.last  # it ended by itself a moment ago
        raise InvalidParams("turn: nothing runs in this session")


def stop(session: OpenSession) -> None:
    """End the running turn now. What waits goes on waiting until somebody says so."""
    if session.scope is not None:
        session.paused = bool(session.waiting)
        session.scope.cancel()


async def _until_ended(workspace: Workspace, peer: Peer, accepted: Accepted) -> SessionTurn:
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
        workspace.owned(_drop(workspace, session, number))


async def _accept(workspace: Workspace, peer: Peer, params: ChatParams) -> Accepted:
    workspace.tasks.spawn(workspace.models.warm())
    context = await workspace.screen.gather(params.prompt, params.context)
    async with await _session_for(workspace, peer, params) as session, session.order:
        if known := _same_prompt(session, params):
            _subscribe(session, peer)
            at_once = params.background or (known.status == "queued" and params.when_busy != "steer")
            return Accepted(session, known, _ended(session, known), at_once)
        if session.metadata.status == "archived":
            raise SessionArchived(session.id)
        if session.live is None and (session.paused or not session.waiting):
            _subscribe(session, peer)
            take_settings(workspace, session, params.model, params.mode)
            turn = await begin(
                workspace,
                session,
                params.prompt,
                environment=peer.environment,
                context=context,
                ref=params.ref,
                background=params.background,
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
        )
        return await _enqueue(workspace, peer, session, prompt)


async def _enqueue(workspace: Workspace, peer: Peer, session: OpenSession, prompt: QueuedPrompt) -> Accepted:
    """The prompt waits, on disk. One that steers is answered with the turn that it joins or becomes."""
    await workspace.keep(session.log.enqueue(prompt))
    _subscribe(session, peer)
    session.environments[prompt.number] = dict(peer.environment)
    turn = queued_turn(prompt)
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
    known = await workspace.resends.session((params.ref, params.prompt))
    if known is not None:
        async with workspace.using(known) as session:
            yield session
        return
    with workspace.resends.making((params.ref, params.prompt)) as made:
        async with workspace.using_new(await _new_metadata(workspace, peer, params, None)) as session:
            made.set_result(session.id)
            yield session


async def _new_metadata(workspace: Workspace, peer: Peer, params: ChatParams, name: str | None) -> Metadata:
    return await workspace.new_metadata(
        str(uuid.uuid4()),
        peer.environment,
        name=name,
        name_source="user" if name else None,
        model=params.model,
        mode=params.mode,
        profile=params.profile,
        working_dir=peer.cwd or None,
    )


def _subscribe(session: OpenSession, peer: Peer) -> None:
    """Who prompts hears of it; who was refused does not. A client that is gone hears nothing."""
    if not peer.gone:
        session.subscribe(peer)


def _same_prompt(session: OpenSession, params: ChatParams) -> Turn | None:
    """The turn that this very prompt began already: a client that lost its connection sends it again.

    The text is compared too, because two clients may count their own prompts alike.
    """
    if params.ref is None:
        return None
    turns = [queued_turn(prompt) for prompt in session.waiting]
    if session.last is not None:
        turns.insert(0, session.last)
    if session.live is not None:
        turns.insert(0, session.live.snapshot())
    return next((turn for turn in turns if turn.ref == params.ref and prompt_of(turn) == params.prompt), None)


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
        last = session.last
        session.paused = False
        _subscribe(session, peer)
        if last is not None and last.status in ("failed", "interrupted"):
            turn = await _begin_again(workspace, peer, session, last)
        elif session.waiting:
            waiting = session.waiting[0]
            session.environments[waiting.number] = dict(peer.environment)
            turn = await begin_queued(workspace, session, waiting)
        else:
            raise InvalidParams("There is nothing to retry: the last turn ended as it should.")
        return Accepted(session, turn, session.waiter(turn.number))


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
