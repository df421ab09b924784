"""The index is derived: whatever becomes of its file, or of the sessions' files, lists and search say what there is."""

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agentd.protocol import ListParams, Session
from agentd.store.files import Files
from agentd.store.index.database import SHAPE
from agentd.store.project import FileStore
from tests.store.index.support import (
    found,
    index_file,
    make,
    metadata,
    names,
    opened,
    places,
    sessions,
    turn,
)

pytestmark = pytest.mark.anyio
LIMIT = 10.0 * float(os.environ.get("AGENTD_TEST_PATIENCE", "1"))


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Path]:
    """Sessions a, b and c, each with a word of its own, and an index that was left whole."""
    async with opened(tmp_path) as store:
        for day, name in enumerate("abc", 1):
            await make(store, name, f"word{name}", "common", last_active=f"2026-01-0{day}T00:00:00.000Z")
        assert await names(store) == ["c", "b", "a"]
        assert len(await found(store, "common")) == 3
    assert index_file(tmp_path).is_file()
    yield tmp_path


async def all_is_there(path: Path) -> None:
    async with opened(path) as store:
        assert await names(store) == ["c", "b", "a"]
        for name in "abc":
            assert [hit.turn for hit in await found(store, f"word{name}")] == [1]
        assert len(await found(store, "common")) == 3
        assert await store.index.counts() == (3, 0)


async def test_left_whole_it_is_used_again(three: Path) -> None:
    with closing(sqlite3.connect(index_file(three))) as index:
        before = index.execute("SELECT id, number, stamp FROM sessions").fetchall()
    await all_is_there(three)
    with closing(sqlite3.connect(index_file(three))) as index:
        assert index.execute("SELECT id, number, stamp FROM sessions").fetchall() == before
    assert index_file(three).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "half", "other version", "directory", "link"])
async def test_a_damaged_index_is_made_anew(three: Path, damage: str) -> None:
    file = index_file(three)
    data = file.read_bytes()
    if damage == "other version":
        with closing(sqlite3.connect(file)) as index:
            index.execute("UPDATE meta SET value = 'older' WHERE key = 'shape'")
            index.commit()
    else:
        file.unlink()
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "garbage":
        file.write_bytes(random.Random(1).randbytes(50_000))
    elif damage == "half":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "directory":
        (file / "in it").mkdir(parents=True)
    elif damage == "link":
        (three / "elsewhere").write_bytes(b"a stranger's")
        file.symlink_to(three / "elsewhere")
    await all_is_there(three)
    if damage == "link":
        assert (three / "elsewhere").read_bytes() == b"a stranger's"
    with closing(sqlite3.connect(file)) as index:
        assert ("shape", SHAPE) in index.execute("SELECT * FROM meta").fetchall()


@pytest.mark.parametrize("seed", range(6))
async def test_whole_pages_of_rubbish_cost_nothing_but_the_index(three: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(index_file(three).read_bytes())
    for _ in range(3):
        page = chance.randrange(len(data) // 4096)
        data[page * 4096 : page * 4096 + 4096] = chance.randbytes(4096)
    index_file(three).write_bytes(data)
    async with opened(three) as store:
        assert sorted(str(name) for name in await names(store)) == ["a", "b", "c"]
        assert len(await store.index.known_as("a")) <= 1
        await found(store, "common")


async def test_cut_off_under_the_running_store(three: Path) -> None:
    async with opened(three) as store:
        assert await names(store) == ["c", "b", "a"]
        os.truncate(index_file(three), 4096 * 3)
        index_file(three).with_name("index.sqlite3-wal").unlink(missing_ok=True)
        for n in range(30):
            await make(store, f"later {n}", "also common", last_active="2025-01-01T00:00:00.000Z")
        assert (await names(store))[:3] == ["c", "b", "a"]
        assert len(await found(store, "common")) == 33


async def test_locked_by_a_stranger(three: Path) -> None:
    with closing(sqlite3.connect(index_file(three), isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        stranger.execute("DELETE FROM docs")
        await all_is_there(three)


class Unwritable(Files):
    """The project's directory takes no new file, and gives none away."""

    def create(self, path: Path) -> int:
        if path.name.startswith("index"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return super().create(path)

    def unlink(self, path: Path) -> None:
        if path.name.startswith("index"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        super().unlink(path)


@pytest.mark.parametrize("damage", ["missing", "garbage"])
async def test_a_directory_that_cannot_be_written(three: Path, damage: str) -> None:
    index_file(three).unlink()
    if damage == "garbage":
        index_file(three).write_bytes(b"no database" * 1000)
    async with opened(three, Unwritable()) as store:
        assert await names(store) == ["c", "b", "a"]
        assert len(await found(store, "common")) == 3
    assert index_file(three).exists() == (damage == "garbage")


async def test_changes_while_no_daemon_ran_are_noticed(three: Path) -> None:
    by_name = await _ids(three)
    shutil.rmtree(sessions(three) / by_name["a"])
    new = str(uuid.uuid4())
    shutil.copytree(sessions(three) / by_name["b"], sessions(three) / new)
    file = sessions(three) / by_name["c"] / "metadata.json"
    file.write_text(file.read_text().replace('"name": "c"', '"name": "edited"'))
    async with opened(three) as store:
        listed = await names(store)
        assert sorted(str(one) for one in listed if one not in ("c", "edited")) == ["b", "b"]
        await store.index.use()  # swept: the edit is noticed by then
        assert await names(store) == ["edited", *["b"] * 2]
        assert sorted(hit.row.id for hit in await found(store, "wordb")) == sorted([by_name["b"], new])
        assert await found(store, "worda") == []


async def test_an_index_that_fell_behind_is_looked_through_before_the_first_list(three: Path) -> None:
    """kill -9 between the file and the index: the file is right."""
    by_name = await _ids(three)
    with closing(sqlite3.connect(index_file(three), isolation_level=None)) as index:
        index.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
    file = sessions(three) / by_name["a"] / "metadata.json"
    file.write_text(file.read_text().replace('"name": "a"', '"name": "renamed"'))
    async with opened(three) as store:
        assert await names(store) == ["c", "b", "renamed"]


async def test_a_transcript_that_grew_unnoticed_is_read_on(three: Path) -> None:
    by_name = await _ids(three)
    before = index_file(three).read_bytes()
    async with opened(three) as store:
        log = await store.open(by_name["a"])
        await log.append(turn(3, "grown"))
        await log.close()
    index_file(three).write_bytes(before)
    async with opened(three) as store:
        assert await places(store, "grown") == [(by_name["a"], 3, "prompt")]
        assert len(await found(store, "worda")) == 1


async def test_a_turn_without_an_end_is_searched_and_not_twice_when_it_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await make(store, None, "first")
    transcript = sessions(tmp_path) / session / "transcript.jsonl"
    whole = transcript.read_bytes()
    transcript.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    index_file(tmp_path).unlink()
    async with opened(tmp_path) as store:
        assert await places(store, "first") == [(session, 1, "prompt")]
        log = await store.open(session)
        await log.append(turn(2, "second"))
        assert await places(store, "first") == [(session, 1, "prompt")]
        assert await places(store, "second") == [(session, 2, "prompt")]
        await log.close()


async def test_an_answered_change_shows_in_the_next_list(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log = await store.create(metadata("one"), ())
        assert await names(store) == ["one"]
        await log.save_metadata(log.metadata.changed(name="two", tags=("t",)))
        assert (await names(store), await names(store, tag="t"), await names(store, query="TWO")) == (["two"],) * 3
        assert [one.id for one in await store.index.known_as("two")] == [log.id]
        await log.save_metadata(log.metadata.changed(status="archived"))
        assert (await names(store), await names(store, status="archived")) == ([], ["two"])
        assert await store.index.counts() == (0, 1)
        await log.close()
        await store.delete(log.id)
        assert await names(store, status="all") == []
        assert await found(store, "two") == []


async def test_a_session_that_is_copied_in_or_removed_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        store.index.watch(lambda kind, session: told.put_nowait((kind, session.id)))
        session = await make(store, "mine", "needle")
        await store.index.use()  # the watch has begun
        new = str(uuid.uuid4())
        shutil.copytree(sessions(tmp_path) / session, tmp_path / new)
        (tmp_path / new).rename(sessions(tmp_path) / new)
        assert await asyncio.wait_for(told.get(), LIMIT) == ("created", new)
        assert await names(store) == ["mine", "mine"]
        shutil.rmtree(sessions(tmp_path) / session)
        assert await asyncio.wait_for(told.get(), LIMIT) == ("deleted", session)
        assert [row.id for row in (await store.index.page(ListParams())).rows] == [new]
        assert told.empty()


async def test_pages_stay_right_while_sessions_come_go_and_move(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with opened(tmp_path) as store:
        stay = {await make(store, f"n{n % 7}", last_active=_time(n)) for n in range(40)}
        others = [await make(store, f"n{n % 5}", last_active=_time(n)) for n in range(40)]
        for sort in ("lastActive", "created", "name"):
            seen: list[str] = []
            cursor = None
            while True:
                shown = (await _page(store, sort, cursor))[:9]
                seen += [session.id for session in shown]
                if len(shown) < 9:
                    break
                cursor = _cursor(shown[-1], sort)
                if others:
                    await store.delete(others.pop(chance.randrange(len(others))))
                await make(store, f"n{chance.randrange(9)}", last_active=_time(chance.randrange(99)))
            assert len(seen) == len(set(seen)), sort
            assert stay <= set(seen), sort


async def _page(store: FileStore, sort: str, cursor: str | None) -> list[Session]:
    asked = ListParams.model_validate({"sort": sort, "limit": 8, "cursor": cursor})
    return [Session.model_validate_json(row.json) for row in (await store.index.page(asked)).rows]


def _cursor(session: Session, sort: str) -> str:
    from agentd.core.places import cursor_of, place_of

    return cursor_of(sort, place_of(session, sort))  # type: ignore[arg-type]


def _time(number: int) -> str:
    return f"2026-02-01T00:{number:02d}:00.000Z"


async def _ids(path: Path) -> dict[str, str]:
    async with opened(path) as store:
        rows = (await store.index.page(ListParams())).rows
        return {str(Session.model_validate_json(row.json).name): row.id for row in rows}
