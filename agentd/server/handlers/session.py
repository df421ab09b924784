"""``agentd/session/*``: making, listing, changing and putting away sessions."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentd import clock, compacting
from agentd.core.metadata import ForkPoint, Metadata, checked_name
from agentd.core.records import mark_draft
from agentd.errors import InvalidParams, SessionBusy
from agentd.making import checked_tags, new_metadata
from agentd.protocol import (
    ClearParams,
    CompactParams,
    ForkParams,
    ListParams,
    NameParams,
    NewParams,
    Session,
    SessionParams,
    SessionResult,
    SessionStats,
    ShowResult,
    UpdateParams,
    Usage,
)
from agentd.server.handlers.context import Context
from agentd.session import OpenSession, Peer, counted, messages_of, one_line, prompt_of
from agentd.store.api import Page
from agentd.workspace import Workspace


async def new(context: Context, params: NewParams) -> SessionResult:
    return await context.workspace.tasks.own(_new(context.workspace, context.peer, params))


async def _new(workspace: Workspace, peer: Peer, params: NewParams) -> SessionResult:
    metadata = await new_metadata(workspace, peer.environment, params, peer.cwd)
    async with workspace.using_new(metadata) as session:
        return SessionResult(session=session.view())


async def show(context: Context, params: SessionParams) -> ShowResult:
    workspace = context.workspace
    async with workspace.using(params.session_id) as session:
        documents = await workspace.folder.documents(session.id)
        known = session.metadata
        below = await workspace.finding.page(ListParams(parent_id=session.id, status="all", limit=1000))
        stats = SessionStats(
            turns=known.turn_count,
            messages=known.message_count,
            tool_calls=known.tool_count,
            usage=known.usage or Usage(),
        )
        shown = {
            "file_count": len(documents),
            "config": known.config or None,
            "agent_overlay": known.agent_overlay or None,
        }
        view = session.view().model_copy(update=shown)
        children = tuple(Session.model_validate_json(row.json) for row in below.rows)
        return ShowResult(session=view, stats=stats, documents=documents, children=children)


async def fork(context: Context, params: ForkParams) -> SessionResult:
    return await context.workspace.tasks.own(_fork(context.workspace, params))


async def _fork(workspace: Workspace, params: ForkParams) -> SessionResult:
    name = checked_name(params.name) if params.name is not None else None
    async with workspace.using(params.session_id) as source:
        through = source.newest if params.turn is None else params.turn
        if through > source.newest:
            ended = f"the last one that ended is {source.newest}" if source.newest else "none has ended yet"
            raise InvalidParams(f"turn: {through} is not a turn that ended in this session; {ended}")
        same = through == source.newest and source.live is None
        time = clock.now()
        metadata = source.metadata.changed(
            id=str(uuid.uuid4()),
            status="active",
            created=time,
            last_active=time,
            name=name,
            name_source="user" if name else None,
            forked_from=ForkPoint(session_id=source.id, turn=through),
            file_count=0,
            usage=None,
            unseen_turn=None,
            last_turn=source.metadata.last_turn if through == source.newest else None,
            # A fork of a sub-session is a person's own: it answers to no parent.
            parent_id=None,
            trace_id=None,
            agent_name=None,
        )
        if not through:
            metadata = metadata.changed(first_message=None)
        if not same:
            metadata = metadata.changed(message_count=0, turn_count=through, last_prompt=None, tool_count=0)
        async with source.order:
            if source.unsaved:
                await workspace.write(source, ())
        log = await workspace.keep(workspace.store.fork(source.log, through, metadata))
    session = workspace.adopt(OpenSession.of(log))
    if through and not same:
        # Derived, and its newest turn is at hand: counted now, and on disk a moment later.
        session.metadata = await _counted(session)
        workspace.save_soon(session)
    workspace.publish_session("session/forked", session)
    result = SessionResult(session=session.view())
    workspace.let_go(session)
    return result


async def _counted(fork: OpenSession) -> Metadata:
    """With the messages and turns up to its newest turn, which says how many there were, and the last prompt."""
    messages, turns, known = 0, 0, False
    last_prompt: str | None = None
    page = Page((fork.last,) if fork.last is not None else (), fork.newest)
    while True:
        for turn in reversed(page.turns):
            last_prompt = last_prompt or one_line(prompt_of(turn) or "") or None
            if not known:
                # A turn that a crash cut off was never counted, and one of before counts its messages only.
                known = turn.messages is not None
                messages += messages_of(turn) if turn.messages is None else turn.messages
                before = turn.number if known else int(counted(turn))
                turns += before if turn.turns is None else turn.turns
            if known and last_prompt is not None:
                break
        if page.before is None or (known and last_prompt is not None):
            return fork.metadata.changed(message_count=messages, turn_count=turns, last_prompt=last_prompt)
        page = await fork.log.page(page.before, 20)


async def name(context: Context, params: NameParams) -> SessionResult:
    chosen = checked_name(params.name)
    return await _change(context.workspace, params.session_id, name=chosen, name_source="user")


async def update(context: Context, params: UpdateParams) -> SessionResult:
    values = params.model_dump(exclude={"session_id"}, exclude_none=True)
    if "tags" in values:
        values["tags"] = checked_tags(values["tags"])
    if "profile" in values:
        profile = await context.workspace.profiles.find(values["profile"])
        said = {"model": profile.model, "mode": profile.mode}
        values = {key: value for key, value in said.items() if value is not None} | values
    if "model" in values:
        traits = context.workspace.models.traits(values["model"])
        values.update(model=traits.id, provider=traits.provider)
    if not values:
        raise InvalidParams("nothing to change was given")
    return await _change(context.workspace, params.session_id, **values)


async def archive(context: Context, params: SessionParams) -> SessionResult:
    return await _change(context.workspace, params.session_id, idle="archived", status="archived")


async def restore(context: Context, params: SessionParams) -> SessionResult:
    return await _change(context.workspace, params.session_id, status="active")


async def clear(context: Context, params: ClearParams) -> SessionResult:
    return await context.workspace.tasks.own(_clear(context.workspace, params))


async def _clear(workspace: Workspace, params: ClearParams) -> SessionResult:
    async with _idle(workspace, params.session_id, "cleared") as session:
        page = await session.log.page(session.newest + 1, params.keep) if params.keep else None
        through = page.turns[0].number - 1 if page and page.turns else session.newest
        if through:
            await workspace.write(session, [mark_draft("clear", through, keep_system=params.keep_system)])
        session.log.log_event("session/cleared", {"through": through})
        workspace.publish_session("session/changed", session)
        return SessionResult(session=session.view())


async def compact(context: Context, params: CompactParams) -> SessionResult:
    return SessionResult(session=await compacting.compact(context.workspace, context.peer, params))


async def _change(workspace: Workspace, asked: str, *, idle: str | None = None, **values: Any) -> SessionResult:
    """New metadata, on disk before anybody sees it. ``idle`` is what can't be done while a turn runs."""
    return await workspace.tasks.own(_changed(workspace, asked, idle, values))


async def _changed(workspace: Workspace, asked: str, idle: str | None, values: dict[str, Any]) -> SessionResult:
    async with workspace.using(asked) as session, session.order:
        if idle is not None:
            _must_be_idle(session, idle)
        await workspace.save(session, **values)
        session.log.log_event("session/changed", {"fields": sorted(values)})
        return SessionResult(session=session.view())


@asynccontextmanager
async def _idle(workspace: Workspace, asked: str, what: str) -> AsyncIterator[OpenSession]:
    async with workspace.using(asked) as session, session.order:
        _must_be_idle(session, what)
        yield session


def _must_be_idle(session: OpenSession, what: str) -> None:
    if session.live is not None:
        raise SessionBusy(f"Session '{session.id[:8]}' is answering: it can be {what} when the turn is over.")
