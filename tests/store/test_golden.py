"""Version 1 of our own store, made once and never changed: whatever comes later opens, pages, continues and forks it.

In it: segments with void records, a rewind, a summary, a blob, a fork, a sub-session, a turn that was cut off, a
prompt that waits, and a kind and a field of a later version.
"""

import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentd.protocol import ListParams
from agentd.store.project import FileStore
from tests.store.support import new_metadata, numbers, ours, texts, whole_turn

pytestmark = pytest.mark.anyio
GOLDEN = Path(__file__).parent / "golden" / "v1"
RICH = "11111111-1111-4111-8111-111111111111"
FORK = "22222222-2222-4222-8222-222222222222"
CUT = "33333333-3333-4333-8333-333333333333"
CHILD = f"{RICH}-reviewer-0badcafe"
BLOB = "44a5f6c172e1d455cc710dc2f9bdb7876e877425fc4d8e248bb119b8dd4265b8"


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[FileStore]:
    """The store on a copy, just started."""
    shutil.copytree(GOLDEN, tmp_path / "project")
    store = FileStore(tmp_path / "project", "/home/somebody/project")
    try:
        assert await store.start() == (CUT,)
        yield store
    finally:
        await store.close()


async def test_it_lists(old: FileStore) -> None:
    listed = {one.id: one for one in await old.list_metadata()}
    assert set(listed) == {RICH, FORK, CUT, CHILD} and old.problems == ()
    rich = listed[RICH]
    assert (rich.name, rich.name_source, rich.tags, rich.description) == (
        "größer", "user", ("work", "v1"), "of version 1",
    )  # fmt: skip
    assert (rich.model, rich.provider, rich.profile, rich.branch) == (
        "claude-sonnet-5-5", "anthropic", "reviewer", "main",
    )  # fmt: skip
    assert rich.usage is not None and (rich.usage.input_tokens, rich.usage.cost) == (100, 0.01)
    assert rich.metadata == {"own": {"deep": [1, None, "ü"]}}
    fork, child = listed[FORK], listed[CHILD]
    assert fork.status == "archived" and fork.forked_from is not None
    assert (fork.forked_from.session_id, fork.forked_from.turn) == (RICH, 3)
    assert (child.parent_id, child.trace_id, child.agent_name) == (RICH, RICH, "reviewer")
    assert (child.config, child.agent_overlay) == ({"model": "m"}, {"mode": "plan"})
    page = await old.index.page(ListParams(status="all", query="größer", limit=10))
    assert RICH in {row.id for row in page.rows}


async def test_it_pages(old: FileStore) -> None:
    log = await old.open(RICH)
    newest = await log.page(None, 2)
    assert (numbers(newest.turns), newest.before) == ([3, 5], 3)
    oldest = await log.page(newest.before, 2)
    (first,) = oldest.turns
    assert oldest.before is None and texts(first) == ["prompt 1", "I think", None, "It is “1”.\u2028\n"]
    thinking, tool = first.items[1:3]
    assert (thinking.signature, tool.name, tool.call_id, tool.input, tool.status, tool.output) == (
        "sealed", "read_file", "call_1", {"path": "a.py"}, "completed", "x = 1\n",
    )  # fmt: skip
    assert (first.model, first.messages) == ("claude-sonnet-5-5", 2)
    conversation = await log.conversation(1_000_000)
    assert (conversation.summary, conversation.system) == ("What was said before.", ("be kind",))
    assert numbers(conversation.turns) == [3, 5] and log.problems == ()
    assert await log.blob(BLOB) == b"\x89PNG\r\n\x1a\nan image"
    assert [(one["seq"], one["event"], one["turn"]) for one in (await log.events(0, 10)).events] == [
        (1, "turn/ended", 5)
    ]


async def test_it_continues(old: FileStore) -> None:
    log = ours(await old.open(RICH))
    before = [segment.path.read_bytes() for segment in log.segments]
    assert log.last_turn == 5
    await log.append(whole_turn(6))
    await log.save_metadata(log.metadata.changed(name="renamed"))
    await log.close()
    again = ours(await old.open(RICH))
    assert numbers((await again.page(None, 10)).turns) == [1, 3, 5, 6] and again.metadata.name == "renamed"
    after = [segment.path.read_bytes() for segment in again.segments]
    assert all(now.startswith(then) for now, then in zip(after, before, strict=True)) and b"later_kind" in after[-1]
    assert json.loads((again.directory / "metadata.json").read_bytes())["unknown_field"] == "kept"


async def test_it_forks(old: FileStore) -> None:
    log = await old.open(RICH)
    for through, shown in ((0, []), (1, [1]), (2, [1, 2]), (3, [1, 3]), (5, [1, 3, 5])):
        fork = ours(await old.fork(log, through, new_metadata()))
        assert numbers((await fork.page(None, 10)).turns) == shown and fork.problems == ()
        assert b"a ghost" not in b"".join(segment.path.read_bytes() for segment in fork.segments)
        assert await fork.blob(BLOB)
    child = await old.open(CHILD)
    assert texts((await (await old.fork(child, 1, new_metadata())).page(None, 1)).turns[0]) == ["look", "seen"]


async def test_what_was_cut_off_and_what_waited_is_there(old: FileStore) -> None:
    log = await old.open(CUT)
    assert log.last is not None and (log.last.number, log.last.status) == (2, "interrupted")
    assert texts(log.last) == ["interrupted", "as far as this"]
    (waiting,) = log.queued
    assert (waiting.number, waiting.prompt, waiting.ref, waiting.model, waiting.background) == (
        3, "waits", "r1", "m", True,
    )  # fmt: skip
    assert log.last_turn == 3
    await log.dequeue(3)
    await log.append(whole_turn(4))
    assert numbers((await log.page(None, 10)).turns) == [1, 2, 4]


def test_the_golden_files_are_as_they_were_made() -> None:
    digest = hashlib.sha256()
    for path in sorted(GOLDEN.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(GOLDEN).as_posix().encode() + b"\0" + path.read_bytes())
    assert digest.hexdigest() == "2d73184e6519dcc934bc8c0d5bc7ca919356e9a975bcb99053283d2f7dafcbd5"
