"""Sessions with a history, written by the store itself: as after many chats, in a moment."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

from agentd import clock
from agentd.core.metadata import Metadata
from agentd.core.records import Draft, item_draft, turn_draft
from agentd.protocol import Item, Turn
from agentd.store import open_store
from tests.bench.model import DELTA
from tests.support.home import MODEL


def fill(data: Path, root: Path, *, sessions: int, turns: int, text: int) -> list[str]:
    """The ids of new sessions, with so many turns of so many characters of reply. No daemon may run there."""
    return asyncio.run(_fill(data, root, sessions, turns, text))


async def _fill(data: Path, root: Path, sessions: int, turns: int, text: int) -> list[str]:
    store = open_store(data, root)
    await store.start()
    drafts = [draft for number in range(1, turns + 1) for draft in _turn(number, text)]
    ids = []
    for number in range(sessions):
        time = clock.now()
        metadata = Metadata(
            id=str(uuid.uuid4()), created=time, last_active=time, name=f"session {number}", model=MODEL,
            provider="anthropic", first_message="What is this?", last_prompt="What is this?",
            message_count=2 * turns, turn_count=turns, working_dir=str(root),
        )  # fmt: skip
        log = await store.create(metadata, drafts)
        await log.close()
        ids.append(metadata.id)
    await store.close()
    return ids


def _turn(number: int, text: int) -> Iterator[Draft]:
    time = clock.now()
    turn = Turn(number=number, status="running", started=time, items=(), model=MODEL)
    reply = (DELTA * (text // len(DELTA) + 1))[:text]
    yield turn_draft(turn)
    yield item_draft(number, Item(id=f"{number}.1", kind="prompt", text="What is this?"))
    yield item_draft(number, Item(id=f"{number}.2", kind="text", text=reply))
    yield turn_draft(turn.model_copy(update={"status": "completed", "ended": time, "messages": 2 * number}))
