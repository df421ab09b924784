"""Damage on disk: it costs at most the record it is in, never a session and never a list."""

import json
import shutil
from pathlib import Path

import pytest

from agentd.core.records import system_draft
from agentd.errors import LoadFailed
from agentd.protocol import Item, ListParams
from agentd.store.api import QueuedPrompt
from agentd.store.project import FileStore
from tests.store.support import (
    TIME,
    a_session,
    a_store,
    end_of,
    new_metadata,
    numbers,
    ours,
    start_of,
    texts,
    whole_turn,
)

pytestmark = pytest.mark.anyio
TURNS = 8


def put(path: Path, data: bytes) -> None:
    """These bytes as the only transcript."""
    for there in path.parent.glob("transcript.*"):
        there.unlink()
    path.write_bytes(data)


async def damaged_at(store: FileStore, path: Path, data: bytes, session_id: str) -> None:
    """With these bytes in its transcript the session lists, opens, shows all but at most one record, and goes on."""
    put(path, data)
    listed = await store.list_metadata()
    assert [one.id for one in listed] == [session_id]
    shown_in_list = await store.index.page(ListParams(status="all", limit=5))
    assert [row.id for row in shown_in_list.rows] == [session_id]
    log = await store.open(session_id)
    await log.append(whole_turn(50))
    shown = {item.text for turn in (await log.page(None, 50)).turns for item in turn.items}
    wanted = {f"{what} {number}" for number in range(1, TURNS + 1) for what in ("prompt", "reply")}
    assert len(wanted - shown) <= 1, (wanted - shown, log.problems)
    assert {"prompt 50", "reply 50"} <= shown
    assert numbers((await log.conversation(1_000_000)).turns)[-1] == 50
    await log.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["flipped", "zero", "line end", "cut", "cut and zeros"])
async def test_every_byte_of_the_last_kilobyte(tmp_path: Path, how: str) -> None:
    async with a_store(tmp_path) as store:
        log = await a_session(store)
        for number in range(1, TURNS + 1):
            await log.append(whole_turn(number))
        await log.close()
        path = log.directory / "transcript.jsonl"
        whole = path.read_bytes()
        # Cut short it loses all that is behind the cut, so only the last record's bytes are cut.
        last = len(whole) - whole.rindex(b"\n", 0, len(whole) - 1) - 1
        reach = last if how.startswith("cut") else 1024
        for place in range(len(whole) - reach, len(whole)):
            changed = {
                "flipped": bytes([whole[place] ^ 0x04]),
                "zero": b"\0",
                "line end": b"\n",
                "cut": b"",
                "cut and zeros": b"\0" * (len(whole) - place),
            }[how]
            rest = b"" if how.startswith("cut") else whole[place + 1 :]
            await damaged_at(store, path, whole[:place] + changed + rest, log.id)


async def test_a_torn_end_goes_to_a_file_beside(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    path = log.directory / "transcript.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"v":1,"seq":5,"tu')
    again = await store.open(log.id)
    assert "ended in 18 bytes" in again.problems[0]
    (beside,) = log.directory.glob("transcript.torn-*")
    assert beside.read_bytes() == b'{"v":1,"seq":5,"tu' and path.read_bytes() == whole
    await again.close()
    assert (await store.open(log.id)).problems == ()


async def test_a_last_line_without_its_end_is_whole(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    path = log.directory / "transcript.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    again = await store.open(log.id)
    assert again.problems == () and again.last == log.last and path.read_bytes() == whole


async def test_a_damaged_line_is_reported_with_its_number(store: FileStore) -> None:
    log = await a_session(store, [*whole_turn(1), *whole_turn(2)])
    await log.close()
    path = log.directory / "transcript.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = b'{"v":1,"seq":7,"turn":2,"time":"","kind":"te\n'
    lines[2] = lines[2].replace(b"reply 1", b"edited ")
    path.write_bytes(b"".join(lines))
    again = await store.open(log.id)
    shown = [texts(turn) for turn in (await again.page(None, 5)).turns]
    assert shown == [["prompt 1", "edited "], ["prompt 2"]]
    assert sorted(again.problems) == [
        "transcript.jsonl line 3: the checksum does not fit. The record is used as it stands.",
        "transcript.jsonl line 7: damaged, and left out. All else is used.",
    ]


async def test_binary_rubbish_for_a_transcript(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    (log.directory / "transcript.jsonl").write_bytes(bytes(range(256)) * 100)
    again = await store.open(log.id)
    assert again.last is None and again.problems
    await again.append(whole_turn(1))
    assert numbers((await again.page(None, 5)).turns) == [1]


@pytest.mark.parametrize("place", range(0, 330, 3))
async def test_a_bad_byte_in_the_metadata_costs_one_field(store: FileStore, place: int) -> None:
    wanted = new_metadata("6ba7b810-9dad-41d1-80b4-00c04fd430c8").changed(
        name="mine", description="about it", tags=("t",)
    )
    log = await store.create(wanted, whole_turn(1))
    await log.close()
    path = ours(log).directory / "metadata.json"
    data = path.read_bytes()
    path.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    (listed,) = await store.list_metadata()
    again = await store.open(log.id)
    assert again.metadata.id == log.id and again.metadata.status == "active"
    kept = [again.metadata.name == "mine", again.metadata.description == "about it", again.metadata.tags == ("t",)]
    assert sum(kept) >= 2
    assert (listed.name, listed.created) == (again.metadata.name, again.metadata.created)
    await again.append(whole_turn(2))
    await again.save_metadata(again.metadata.changed(name="again"))
    await again.close()
    assert json.loads(path.read_bytes())["name"] == "again"


async def test_lost_metadata_is_made_anew(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 4):
        await log.append(whole_turn(number))
    await log.close()
    for content in (None, b"", b"[]", b"\0" * 500, b"nonsense"):
        path = log.directory / "metadata.json"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        (listed,) = await store.list_metadata()
        again = ours(await store.open(log.id))
        for found in (listed, again.metadata):
            assert (found.first_message, found.last_prompt, found.turn_count) == ("prompt 1", "prompt 3", 3)
            assert found.message_count == 6 and found.created <= found.last_active
        assert "metadata.json" in again.problems[0]
        await again.close()
        assert (await store.open(log.id)).problems == ()
        await again.close()


async def test_one_bad_session_never_breaks_the_list(store: FileStore, tmp_path: Path) -> None:
    good = await a_session(store, whole_turn(1))
    sessions = tmp_path / "project" / "sessions"
    (sessions / "empty").mkdir()
    (sessions / "a file").write_text("")
    (sessions / "astray").symlink_to(tmp_path)
    (sessions / "odd").mkdir()
    (sessions / "odd" / "metadata.json").mkdir()
    (sessions / "loop").mkdir()
    (sessions / "loop" / "metadata.json").symlink_to("metadata.json")
    assert [one.id for one in await store.list_metadata()] == [good.id]
    assert len(store.problems) == 3 and all("could not be read" in problem for problem in store.problems)
    for name in ("empty", "odd", "loop"):
        with pytest.raises(LoadFailed):
            await store.open(name)


async def test_a_directory_that_was_copied_is_a_session_of_its_own(store: FileStore) -> None:
    log = await a_session(store, whole_turn(1))
    await log.close()
    shutil.copytree(log.directory, log.directory.with_name("copied"))
    assert {one.id for one in await store.list_metadata()} == {log.id, "copied"}
    assert (await store.open("copied")).metadata.id == "copied"


async def test_damage_in_queue_and_journal_costs_a_line(store: FileStore) -> None:
    log = await a_session(store)
    for number in (2, 3):
        await log.enqueue(QueuedPrompt(number, f"waits {number}", TIME))
    await log.append(start_of(1))
    for item_id in ("1.2", "1.3"):
        log.journal_start(1, Item(id=item_id, kind="text"))
        log.journal_delta(1, item_id, f"shown {item_id}")
    await log.close()
    for name in ("queue.jsonl", "journal.jsonl"):
        path = log.directory / name
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b'{"dam\n' + b"".join(lines[1:]) + b'{"torn')
    again = await store.open(log.id)
    assert [waiting.number for waiting in again.queued] == [3] and again.last_turn == 3
    assert texts(again.last) == ["prompt 1", "shown 1.2", "shown 1.3"]
    await again.enqueue(QueuedPrompt(4, "more", TIME))
    await again.close()
    log = ours(await store.open(log.id))
    assert [waiting.number for waiting in log.queued] == [3, 4] and log.problems == ()


async def test_a_turn_whose_start_is_damaged_is_shown_and_ended(store: FileStore) -> None:
    log = await a_session(store, [system_draft("be kind"), *start_of(1)])
    log.journal_start(1, Item(id="1.2", kind="text"))
    log.journal_delta(1, "1.2", "shown")
    await log.close()
    path = log.directory / "transcript.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"?" * 60 + b"\n" + lines[2])
    again = await store.open(log.id)
    assert texts(again.last) == ["prompt 1", "shown"]
    assert again.last is not None and again.last.status == "interrupted" and again.last.error is not None
    await again.append([*start_of(2), *end_of(2)])
    assert numbers((await again.page(None, 5)).turns) == [1, 2]
