"""Sessions of a directory of the caller's own, by name: a file store that is opened for each call, one at a time.

Programs that share a directory take turns: each call holds its lock while it works.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agentd import clock
from agentd.api.locking import Held
from agentd.conversation import difference, whole
from agentd.core.metadata import Metadata, checked_name, session_view
from agentd.core.retelling import Known, counted, retell
from agentd.core.role_messages import Message, check_messages, to_messages
from agentd.errors import SessionNotFound
from agentd.protocol import Session, SetMessagesParams
from agentd.store import FileStore


class DirectoryHistory:
    """See ``agentd.api.history.History``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def save(self, params: SetMessagesParams) -> None:
        name = checked_name(params.session_name or "")
        messages = check_messages(params.messages)
        async with self._store(make=True) as store:
            known = _named(await store.list_metadata(), name)
            now = clock.now()
            described = {"tags": params.tags, "description": params.description, "metadata": params.metadata}
            given = {key: value for key, value in described.items() if value is not None}
            if known is None:
                fresh = retell(Known((), (), None, 0, 1), messages, now)
                metadata = Metadata(id=str(uuid.uuid4()), created=now, last_active=now, name=name, name_source="user")
                metadata = metadata.changed(model=params.model, working_dir=params.working_dir, **given)
                metadata = metadata.changed(**counted(metadata, fresh, len(messages), now))
                await (await store.create(metadata, fresh.drafts)).close()
                return
            log = await store.open(known.id)
            try:
                retelling = await difference(log, log.last_turn + 1, messages)
                if retelling.drafts:
                    await log.append(retelling.drafts)
                    given |= counted(log.metadata, retelling, len(messages), now)
                if given:
                    await log.save_metadata(log.metadata.changed(**given))
            finally:
                await log.close()

    async def load(self, name: str) -> list[Message]:
        async with self._store() as store:
            found = _named(await store.list_metadata(), name)
            if found is None:
                raise SessionNotFound(name)
            log = await store.open(found.id)
            try:
                known = await whole(log)
            finally:
                await log.close()
        return to_messages(known.system, known.summary, known.turns)

    async def sessions(self) -> Sequence[Session]:
        every = await self._list()
        shown = [session_view(one, "idle") for one in every if one.status == "active" and one.parent_id is None]
        return sorted(shown, key=lambda session: session.last_active, reverse=True)

    async def find(self, name: str) -> Session | None:
        found = _named(await self._list(), name)
        return session_view(found, "idle") if found is not None else None

    async def delete(self, name: str) -> bool:
        found = _named(await self._list(), name)
        if found is None:
            return False
        try:
            async with self._store() as store:
                await store.delete(found.id)
        except SessionNotFound:  # another program was faster
            return False
        return True

    async def _list(self) -> Sequence[Metadata]:
        try:
            async with self._store() as store:
                return await store.list_metadata()
        except SessionNotFound:
            return ()

    @asynccontextmanager
    async def _store(self, *, make: bool = False) -> AsyncIterator[FileStore]:
        """The store, ours alone as long as the block runs. Only saving makes one: else SessionNotFound."""
        try:
            lock = await asyncio.to_thread(Held, self._directory, wait=True, make=make)
        except FileNotFoundError:
            raise SessionNotFound(str(self._directory)) from None
        try:
            store = FileStore(self._directory, str(self._directory))
            try:
                await store.start()
                yield store
            finally:
                await store.close()
        finally:
            lock.release()


def _named(every: Sequence[Metadata], name: str) -> Metadata | None:
    wanted = name.strip()
    return next((one for one in every if wanted in (one.name, one.id)), None)
