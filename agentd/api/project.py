"""The project's sessions, by name, through its daemon: one connection for each call, so that nothing is left open."""

from collections.abc import Sequence
from pathlib import Path

from agentd.client.dial import Address
from agentd.client.typed import Client
from agentd.core.role_messages import Message
from agentd.errors import SessionNotFound
from agentd.protocol import Session, SessionResult, SetMessagesParams

_PAGE = 1000


class ProjectHistory:
    """See ``agentd.api.history.History``."""

    def __init__(self, root: Path) -> None:
        self._address = Address(root)

    async def save(self, params: SetMessagesParams) -> None:
        async with Client(self._address) as client:
            await client.request("agentd/session/setMessages", params, SessionResult)

    async def load(self, name: str) -> list[Message]:
        async with Client(self._address) as client:
            return list((await client.messages((await _found(client, name)).id)).messages)

    async def sessions(self) -> Sequence[Session]:
        found: list[Session] = []
        async with Client(self._address) as client:
            page = await client.sessions(limit=_PAGE)
            found += page.sessions
            while page.next_cursor is not None:
                page = await client.sessions(limit=_PAGE, cursor=page.next_cursor)
                found += page.sessions
        return found

    async def find(self, name: str) -> Session | None:
        async with Client(self._address) as client:
            try:
                return await _found(client, name)
            except SessionNotFound:
                return None

    async def delete(self, name: str) -> bool:
        async with Client(self._address) as client:
            try:
                await client.delete((await _found(client, name)).id)
            except SessionNotFound:
                return False
        return True


async def _found(client: Client, name: str) -> Session:
    """By whole id or name alone: a beginning that fits some other session's id must not be taken for it."""
    session = (await client.show(name)).session
    if name.strip() not in (session.id, session.name):
        raise SessionNotFound(name)
    return session
