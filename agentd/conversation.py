"""A session's conversation as messages of role and content: read whole, and set. Runs no turn and asks no model."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from agentd import clock
from agentd.core.retelling import Known, Retelling, counted, retell
from agentd.core.role_messages import check_messages, to_messages
from agentd.errors import InvalidParams, SessionArchived, SessionBusy, SessionNotFound, TooLarge
from agentd.making import checked_tags, new_metadata
from agentd.protocol import MessagesParams, MessagesResult, NewParams, Session, SetMessagesParams, TurnEvent
from agentd.session import OpenSession, one_line
from agentd.store.api import Conversation, SessionLog
from agentd.workspace import Workspace

LARGEST = 32_000_000
"""Bytes of transcript that are handed over as messages."""


async def read(workspace: Workspace, params: MessagesParams) -> MessagesResult:
    """``agentd/session/messages``. Raises TooLarge rather than leave some of it out."""
    async with workspace.using(params.session_id) as session:
        known = await whole(session.log)
        told = to_messages(known.system, known.summary, known.turns, details=params.details)
        return MessagesResult(session=session.view(), messages=tuple(told))


async def set_messages(
    workspace: Workspace, environment: Mapping[str, str], cwd: str, params: SetMessagesParams
) -> Session:
    """``agentd/session/setMessages``, within ``workspace.tasks.own``. All of it is on disk, or nothing."""
    messages = check_messages(params.messages)
    async with await _session(workspace, environment, cwd, params) as session, session.order:
        if session.metadata.status == "archived":
            raise SessionArchived(session.id)
        if session.live is not None:
            raise SessionBusy(f"Session '{session.id[:8]}' is answering: set its messages when the turn is over.")
        if session.unsaved:
            raise SessionBusy("The newest turn of this session is not on disk yet: try again when saving works.")
        retelling = await difference(session.log, session.next_number, messages)
        changes = _described(params)
        if retelling.drafts:
            await workspace.write(session, retelling.drafts)
            _took(session, retelling)
            changes |= counted(session.metadata, retelling, len(messages), clock.now())
            session.log.log_event("session/messages", {"turns": len(retelling.turns)})
        if changes:
            for prompt in ("first_message", "last_prompt"):
                if prompt in changes:
                    changes[prompt] = one_line(changes[prompt])
            await workspace.save(session, **changes)
        for turn in retelling.turns:
            workspace.publish(session, TurnEvent(type="turn/ended", turn=turn))
        return session.view()


async def whole(log: SessionLog) -> Conversation:
    """All that counts of a session's conversation. Raises TooLarge."""
    known = await log.conversation(LARGEST)
    oldest = known.turns[0].number if known.turns else 0
    if oldest and (await log.page(oldest, 1, 1)).turns:
        # Older turns are there: cleared or compacted ones, or ones that did not fit.
        more = await log.conversation(2 * LARGEST)
        if len(more.turns) != len(known.turns):
            raise TooLarge(
                f"Session '{log.id[:8]}' has more than {LARGEST // 1_000_000} MB of conversation: "
                "read it page by page, or compact it."
            )
    return known


async def difference(log: SessionLog, next_number: int, messages: list[dict[str, Any]]) -> Retelling:
    """What is to be written so that the conversation says what these checked messages say."""
    known = await whole(log)
    newest = log.last.number if log.last else 0
    return retell(Known(known.turns, known.system, known.summary, newest, next_number), messages, clock.now())


async def _session(
    workspace: Workspace, environment: Mapping[str, str], cwd: str, params: SetMessagesParams
) -> AbstractAsyncContextManager[OpenSession]:
    if params.session_id is not None:
        return workspace.using(params.session_id)
    name = params.session_name
    if name is None:
        raise InvalidParams("sessionName: a sessionId or a sessionName is needed")
    async with workspace.naming:
        try:
            found = await workspace.find(name)
            async with workspace.using(found) as session:
                if name.strip() in (session.id, session.metadata.name):
                    return workspace.using(found)
                raise SessionNotFound(name)  # an id that happens to begin with this name
        except SessionNotFound:
            if not params.create:
                raise
        asked = NewParams(name=name, model=params.model, working_dir=params.working_dir)
        async with workspace.using_new(await new_metadata(workspace, environment, asked, cwd)) as session:
            return workspace.using(session.id)


def _described(params: SetMessagesParams) -> dict[str, Any]:
    given: dict[str, Any] = {"description": params.description, "metadata": params.metadata}
    if params.tags is not None:
        given["tags"] = checked_tags(params.tags)
    return {key: value for key, value in given.items() if value is not None}


def _took(session: OpenSession, retelling: Retelling) -> None:
    """What was written is the session's newest now."""
    if retelling.turns:
        session.newest, session.last = retelling.turns[-1].number, session.log.last
