"""A turn that was cut off: ended as interrupted, with all that was shown, once, whenever the next crash comes."""

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from agentd.core.records import item_draft
from agentd.errors import StoreFailed
from agentd.protocol import Item
from agentd.store.project import FileStore
from tests.store.support import (
    BROKEN,
    FailingFiles,
    a_session,
    a_store,
    end_of,
    numbers,
    ours,
    start_of,
    texts,
    whole_turn,
)

pytestmark = pytest.mark.anyio


async def cut_off(tmp_path: Path) -> str:
    """A session as a daemon leaves it that was killed in mid-turn."""
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        await log.append(whole_turn(1))
        await log.append(start_of(2))
        call = Item(id="2.3", kind="tool", name="read", status="running", input={"path": "a"})
        whole = Item(id="2.2", kind="text", text="whole")
        log.journal_start(2, Item(id="2.2", kind="text"))
        log.journal_delta(2, "2.2", "who")
        log.journal_delta(2, "2.2", "le")
        log.journal_end(2, whole)
        log.journal_start(2, call)
        await log.append([item_draft(2, whole), item_draft(2, call)])
        log.journal_start(2, Item(id="2.4", kind="thinking"))
        log.journal_delta(2, "2.4", "half a th")
        log.journal_delta(2, "2.4", "ought")
    return log.id


async def check(store: FileStore, session_id: str) -> None:
    log = ours(await store.open(session_id))
    assert log.last is not None and log.last.number == 2 and log.problems == ()
    assert texts(log.last) == ["prompt 2", "whole", None, "half a thought"]
    assert (log.last.status, log.last.items[2].status) == ("interrupted", "interrupted")
    assert log.last.error is not None and log.last.error.retryable and log.last.error.kind == "interrupted"
    assert log.last.ended is not None and log.last.ended >= log.last.started
    assert (await log.page(None, 5)).turns[-1] == log.last
    lines = [line for path in log.directory.glob("transcript*.jsonl") for line in path.read_bytes().splitlines()]
    assert sum(b"half a thought" in line for line in lines) == 1
    assert sum(b'"text":"whole"' in line for line in lines) == 1
    assert not (log.directory / "journal.jsonl").exists()
    await log.append(whole_turn(3))
    await log.close()


async def test_it_is_listed_at_the_start_and_ended_at_opening(tmp_path: Path) -> None:
    session_id = await cut_off(tmp_path)
    async with a_store(tmp_path) as store:
        assert await store.start() == (session_id,)
        await check(store, session_id)
        assert await store.start() == ()


@pytest.mark.parametrize("torn", ["", '{"turn":2,"delta":"2.4","text":"never sh', "\0\0\0\0"])
async def test_the_torn_end_of_the_journal_is_dropped(tmp_path: Path, torn: str) -> None:
    session_id = await cut_off(tmp_path)
    journal = tmp_path / "project" / "sessions" / session_id / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + torn.encode())
    async with a_store(tmp_path) as store:
        await check(store, session_id)


@pytest.mark.parametrize("call", ["append_to", "write", "sync", "unlink"])
async def test_a_failure_in_the_middle_is_made_good_without_doubles(tmp_path: Path, call: str) -> None:
    session_id = await cut_off(tmp_path)
    for after in range(2):
        disk = FailingFiles()
        async with a_store(tmp_path, disk) as store:
            disk.fails = {call: (after, BROKEN)}
            log = await store.open(session_id)
            assert texts(log.last) == ["prompt 2", "whole", None, "half a thought"]
    async with a_store(tmp_path) as store:
        log = ours(await store.open(session_id))
        assert texts(log.last) == ["prompt 2", "whole", None, "half a thought"]
        assert numbers((await log.page(None, 5)).turns) == [1, 2]


async def test_a_crash_after_any_byte_of_the_recovery(tmp_path: Path) -> None:
    session_id = await cut_off(tmp_path)
    directory = tmp_path / "project" / "sessions" / session_id
    transcript, journal = directory / "transcript.jsonl", directory / "journal.jsonl"
    before, streamed = transcript.read_bytes(), journal.read_bytes()
    async with a_store(tmp_path) as store:
        await (await store.open(session_id)).close()
        after = transcript.read_bytes()
        assert after.startswith(before)
        for place in range(len(before), len(after), 7):
            transcript.write_bytes(after[:place])
            journal.write_bytes(streamed)
            log = ours(await store.open(session_id))
            assert texts(log.last) == ["prompt 2", "whole", None, "half a thought"]
            assert log.last is not None and log.last.status == "interrupted"
            lines = transcript.read_bytes().splitlines()
            assert sum(b"half a thought" in line for line in lines) == 1
            await log.close()


async def test_the_power_went_before_the_first_word(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        await log.append(start_of(1))
    async with a_store(tmp_path) as store:
        # The journal's name is durable before the turn's start is, so that this needs no look at any transcript.
        assert await store.start() == (log.id,)
        again = await store.open(log.id)
        assert texts(again.last) == ["prompt 1"] and again.last is not None and again.last.status == "interrupted"


async def test_a_session_made_with_its_first_turn_is_found_too(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store, start_of(1))
        assert log.last is not None and log.last.status == "interrupted"


async def test_the_journal_of_a_turn_that_ended_is_only_cleared(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        await log.append(start_of(1))
        log.journal_start(1, Item(id="1.2", kind="text"))
        log.journal_delta(1, "1.2", "a reply")
        await log.append(end_of(1, "a reply"))
        size = (log.directory / "transcript.jsonl").stat().st_size
    async with a_store(tmp_path) as store:
        assert await store.start() == (log.id,)
        again = ours(await store.open(log.id))
        assert again.last == log.last and (again.directory / "transcript.jsonl").stat().st_size == size
        assert not (again.directory / "journal.jsonl").exists()


async def test_what_was_half_made_or_half_deleted_is_tidied(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        sessions = tmp_path / "project" / "sessions"
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "kept").write_text("kept")
        for name in (".new-a", ".deleted-b"):
            (sessions / name / "blobs").mkdir(parents=True)
            (sessions / name / "blobs" / "x").write_text("")
            (sessions / name / "link").symlink_to(outside)
        assert await store.start() == ()
        assert [path.name for path in sessions.iterdir()] == [log.id]
        assert (outside / "kept").read_text() == "kept"


CHILD = """
import asyncio, os, sys
from pathlib import Path
from agentd.core.records import item_draft
from agentd.protocol import Item
from tests.store.support import a_session, a_store, end_of, start_of

def promise(*what):
    os.write(1, (" ".join(map(str, what)) + "\\n").encode())

async def main():
    async with a_store(Path(sys.argv[1])) as store:
        log = await a_session(store)
        promise("session", log.id)
        for number in range(1, 1000):
            await log.append(start_of(number))
            promise("prompt", number)
            text = ""
            log.journal_start(number, Item(id=f"{number}.2", kind="text"))
            for piece in range(10):
                log.journal_delta(number, f"{number}.2", f"{piece},")
                promise("shown", number, piece)
                text += f"{piece},"
            log.journal_end(number, Item(id=f"{number}.2", kind="text", text=text))
            await log.append(end_of(number, text))
            promise("ended", number)
            log.journal_clear()

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 2, 3, 5, 8, 13, 14, 15, 16, 27, 40, 53, 66, 79, 92, 105, 131, 157, 300])
async def test_killed_at_any_point_all_that_was_promised_is_there(tmp_path: Path, lines: int) -> None:
    """A real process, killed with -9 once it has promised so much."""
    promised: list[str] = []
    async with await anyio.open_process([sys.executable, "-c", CHILD, str(tmp_path)]) as child:
        assert child.stdout is not None
        data = b""
        while data.count(b"\n") < lines:
            data += await child.stdout.receive()
        os.kill(child.pid, signal.SIGKILL)
        async for more in child.stdout:
            data += more
    promised = data.decode().splitlines()
    shown: dict[int, str] = {}
    prompts, ended, session_id = set[int](), set[int](), ""
    for line in promised:
        what, *rest = line.split()
        if what == "session":
            session_id = rest[0]
        elif what == "prompt":
            prompts.add(int(rest[0]))
        elif what == "shown":
            shown[int(rest[0])] = shown.get(int(rest[0]), "") + rest[1] + ","
        else:
            ended.add(int(rest[0]))
    async with a_store(tmp_path) as store:
        await store.start()
        log = await store.open(session_id)
        turns = {turn.number: turn for turn in (await log.page(None, 1000, 10_000_000)).turns}
        assert prompts <= turns.keys() and log.problems == ()
        for number, text in shown.items():
            assert (texts(turns[number])[1] or "").startswith(text)
        assert all(turns[number].status == "completed" for number in ended)
        assert all(turn.status in ("completed", "interrupted") for turn in turns.values())
        await log.append(whole_turn(log.last_turn + 1))


async def test_a_turn_that_never_began_on_record_keeps_what_was_streamed(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store, whole_turn(1))
        log.journal_start(2, Item(id="2.2", kind="text"))
        log.journal_delta(2, "2.2", "shown")
    async with a_store(tmp_path) as store:
        again = await store.open(log.id)
        assert again.last_turn == 2 and texts(again.last) == ["shown"]


async def test_recovery_leaves_what_is_read_only_alone(tmp_path: Path) -> None:
    session_id = await cut_off(tmp_path)
    metadata = tmp_path / "project" / "sessions" / session_id / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"version": 1', '"version": 9'))
    async with a_store(tmp_path) as store:
        log = await store.open(session_id)
        assert (await log.page(None, 1)).turns[0].status == "interrupted"
        with pytest.raises(StoreFailed):
            await log.append(whole_turn(3))
        assert (metadata.parent / "journal.jsonl").exists()
