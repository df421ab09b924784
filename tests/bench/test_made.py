"""That made sessions are what the store itself would have written."""

import asyncio
from pathlib import Path

import pytest

from agentd.store import lines, open_store
from agentd.store.transcript import FIRST
from tests.bench.made import Large, lay, sessions_directory, write_sessions
from tests.bench.words import ABSENT, COMMON, RARE


def test_made_sessions_are_read_without_a_complaint(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    ids = write_sessions(sessions_directory(tmp_path, root), 10)

    async def read() -> None:
        store = open_store(tmp_path, root)
        assert await store.start() == ()
        listed = await store.list_metadata()
        assert sorted(one.id for one in listed) == sorted(ids)
        assert {(one.message_count, one.turn_count) for one in listed} == {(6, 3)}
        log = await store.open(ids[0])
        page = await log.page(None, 50)
        assert [[item.kind for item in turn.items] for turn in page.turns] == [["prompt", "text"]] * 3
        assert [turn.messages for turn in page.turns] == [2, 4, 6]
        assert "resolveTicket0" in (page.turns[0].items[0].text or "")
        assert (log.problems, store.problems) == ((), ())
        await store.close()

    asyncio.run(read())


def test_a_large_session_is_made_once_and_holds_its_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTD_BENCH_DATA", str(tmp_path / "cache"))
    large = Large("a line", 6, line=50_000)
    laid = [tmp_path / name for name in ("one", "two")]
    for sessions in laid:
        assert lay(large, sessions) == large.id
    one, two = (sessions / large.id / FIRST for sessions in laid)
    assert one.samefile(two)
    records = [lines.parse(line) for line in one.read_bytes().splitlines()]
    assert all(record is not None and not record.flagged for record in records)
    assert max(len(str(record and record.body.get("output"))) for record in records) > 40_000
    assert records[-1] is not None
    assert (records[-1].turn, records[-1].body["messages"]) == (6, 12)


def test_checksums_fit_and_the_words_are_where_they_should_be(tmp_path: Path) -> None:
    ids = write_sessions(tmp_path, 12)
    texts = [(tmp_path / session / FIRST).read_bytes() for session in ids]
    records = [lines.parse(line) for text in texts for line in text.splitlines()]
    assert all(record is not None and not record.flagged for record in records)
    assert sum(RARE.encode() in text for text in texts) == 3
    assert sum(COMMON.encode() in text for text in texts) >= 10
    assert not any(ABSENT.encode() in text for text in texts)


def test_the_same_is_made_every_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert write_sessions(first, 3) == write_sessions(second, 3)
    made = [sorted((path.relative_to(at), path.read_bytes()) for path in at.rglob("*.*")) for at in (first, second)]
    assert made[0] == made[1]
