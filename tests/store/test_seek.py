"""Turns in the middle of a long transcript: found by halving, the same as by looking from the end."""

import json
from pathlib import Path
from random import Random

import pytest

from agentd.core.records import Draft, mark_draft
from agentd.store.project import FileStore
from agentd.store.reader import Problems, Reader
from agentd.store.seek import CLOSE, after_turn
from tests.store.support import a_session, new_metadata, numbers, ours, whole_turn

pytestmark = pytest.mark.anyio
TURNS = 120


def a_text(random: Random) -> str:
    """Mostly some kilobytes; now and then a line that no block holds, and text that looks like ours."""
    kind = random.randrange(12)
    if kind == 0:
        return "x" * 150_000
    return (
        '\n{"v":1,"seq":9,"turn":999,"time":"","kind":"turn"}\n' * 5 if kind == 1 else "word " * random.randint(1, 2000)
    )


def through(source: bytes, turn: int) -> bytes:
    """What a fork after a turn holds: all through that turn's end record."""
    lines = source.splitlines(keepends=True)
    ends = [at for at, line in enumerate(lines, 1) if (r := json.loads(line))["turn"] == turn and r["kind"] == "turn"]
    return b"".join(lines[: ends[-1]])


@pytest.mark.parametrize("seed", range(3))
async def test_a_fork_and_a_page_in_the_middle(store: FileStore, seed: int) -> None:
    random = Random(seed)
    log = await a_session(store)
    for number in range(1, TURNS + 1):
        marks: list[Draft] = [mark_draft("clear", number)] if random.randrange(20) == 0 else []
        await log.append([*whole_turn(number, a_text(random)), *marks])
    source = log.segments[0].path.read_bytes()
    for turn in range(1, TURNS):
        fork = ours(await store.fork(log, turn, new_metadata()))
        assert fork.segments[0].path.read_bytes() == through(source, turn)
        await fork.close()
        assert numbers((await log.page(turn + 1, 1)).turns) == [turn]


async def test_a_rewind_hides_turns_from_a_page_in_the_middle_and_not_from_a_fork(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 81):
        await log.append(whole_turn(number, "word " * 2000))
    await log.append([mark_draft("rewind", 40)])
    await log.append(whole_turn(81))
    assert numbers((await log.page(61, 2)).turns) == [39, 40]
    assert numbers((await log.page(None, 3)).turns) == [39, 40, 81]
    fork = ours(await store.fork(log, 60, new_metadata()))
    assert numbers((await fork.page(None, 2)).turns) == [59, 60]


async def test_what_is_in_no_order_is_found_all_the_same(store: FileStore) -> None:
    log = await a_session(store)
    for number in range(1, 81):
        await log.append(whole_turn(number, "word " * 2000))
    path, session = log.segments[0].path, log.id
    await log.close()
    lines = path.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    path.write_bytes(b"".join([*lines[half:], *lines[:half]]))
    log = ours(await store.open(session))
    for turn in (1, 20, 39, 41, 60, 79):
        fork = ours(await store.fork(log, turn, new_metadata()))
        assert numbers((await fork.page(None, 1)).turns) == [turn]
        await fork.close()


async def test_little_is_read_of_a_long_session(store: FileStore, tmp_path: Path) -> None:
    log = await a_session(store)
    for number in range(1, TURNS + 1):
        await log.append(whole_turn(number, "word " * 2000))
    reader = Reader(log._files, log.segments, Problems(), 1 << 16)
    end = len(through(log.segments[0].path.read_bytes(), 50))
    place = after_turn(reader, 50)
    assert place is not None
    assert end <= place.offset <= end + CLOSE
    assert after_turn(reader, TURNS) is None
