"""What a hand or a hostile import may leave in a session's files costs that session at most, never the list."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agentd.core.words import terms_of
from tests.store.index.support import make, names, opened, sessions

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]
HUGE = 10**30
TURN = {"v": 1, "seq": 50, "turn": 2, "time": "2026-01-01T00:00:00Z", "kind": "turn", "status": "completed"}
LINES: dict[str, dict[str, Any]] = {
    "a mark of no turn": {**TURN, "turn": -HUGE, "kind": "mark", "mark": "compact", "through": -HUGE, "summary": "x"},
    "a rewind beyond": {**TURN, "turn": 0, "kind": "mark", "mark": "rewind", "through": HUGE},
    "a cost of 400 digits": {**TURN, "usage": {"inputTokens": HUGE, "cost": 10**400}},
    "half a surrogate": {**TURN, "kind": "prompt", "id": "2.1", "text": "half \ud83d word"},
    "half a model": {**TURN, "model": "\ud83d", "started": "\ud83d000000000"},
    "a status that is none": {**TURN, "status": {"a": 1}, "usage": [1]},
    "a tool that is none": {**TURN, "kind": "tool", "id": ["x"], "name": 3, "input": 7, "status": ["x"]},
    "a number of a turn that is true": {**TURN, "seq": True, "turn": True, "kind": "prompt", "text": "a"},
}
FIELDS: dict[str, Any] = {
    "forked_from": {"session_id": "x", "turn": HUGE},
    "message_count": HUGE,
    "turn_count": -HUGE,
    "unseen_turn": HUGE,
    "last_active": 5,
    "name": "\ud83d",
    "usage": {"inputTokens": HUGE},
    "tags": ["a" * 100_000],
    "parent_id": "nobody",
}


async def answers(base: Path) -> None:
    """The other session is listed and found, and nobody waits for ever."""
    async with opened(base) as store, asyncio.timeout(20):
        assert "b" in await names(store, status="all")
        await store.index.use()
        found = await store.index.search(terms_of("wordb"), "all", 50)
        assert (len(found.hits), found.indexing) == (1, False)


async def two(base: Path) -> Path:
    async with opened(base) as store:
        poisoned = await make(store, "a", "worda")
        await make(store, "b", "wordb")
    return sessions(base) / poisoned


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
async def test_a_line(tmp_path: Path, line: dict[str, Any]) -> None:
    with ((await two(tmp_path)) / "transcript.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    await answers(tmp_path)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_field(tmp_path: Path, field: str) -> None:
    path = (await two(tmp_path)) / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: FIELDS[field]}))
    await answers(tmp_path)
