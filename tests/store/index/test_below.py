"""Sub-sessions in lists: with their parent while that is there, by themselves when it is not, in whatever order they
come and go; from the index and without one.
"""

import shutil
from pathlib import Path

import pytest

from agentd.protocol import ListParams
from agentd.store.project import FileStore
from agentd.store.scanned import ScannedIndex
from tests.store.index.support import make, names, opened, sessions

pytestmark = pytest.mark.anyio
PARENT = "11111111-1111-4111-8111-111111111111"


async def tops(store: FileStore) -> set[str | None]:
    """The names of those by themselves, which the files say as well."""
    found = set(await names(store))
    plain = await ScannedIndex(store).page(ListParams())
    listed = await store.index.page(ListParams())
    assert [row.id for row in plain.rows] == [row.id for row in listed.rows] and plain.total == listed.total
    return found


async def test_whichever_comes_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        child = await make(store, "child", parent_id=PARENT)
        assert await tops(store) == {"child"}
        await make(store, "parent", id=PARENT)
        assert await tops(store) == {"parent"}
        await make(store, "second", parent_id=PARENT)
        await make(store, "below", parent_id=child)
        assert await tops(store) == {"parent"}
        await store.delete(child)
        assert await tops(store) == {"parent", "below"}
        await store.delete(PARENT)
        assert await tops(store) == {"second", "below"}
        assert await names(store, parent_id=PARENT) == ["second"]
    async with opened(tmp_path) as store:
        assert await tops(store) == {"second", "below"}
        log = await store.open((await store.index.known_as("below"))[0].id)
        await log.save_metadata(log.metadata.changed(name="renamed"))
        assert await tops(store) == {"second", "renamed"}


async def test_a_parent_that_was_removed_by_hand(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await make(store, "parent", id=PARENT)
        await make(store, "child", parent_id=PARENT)
        assert await tops(store) == {"parent"}
    shutil.rmtree(sessions(tmp_path) / PARENT)
    async with opened(tmp_path) as store:
        await store.index.use()
        assert await tops(store) == {"child"}


async def test_one_that_says_it_is_its_own_parent(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await make(store, "own", id=PARENT, parent_id=PARENT)
        assert await tops(store) == {"own"}


async def test_a_foreign_parents_child_is_meant_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        child = await make(store, "child", parent_id=PARENT)
        below = await make(store, "below", id=f"{PARENT}-helper-0123abcd", parent_id=PARENT)
        assert [one.id for one in await store.index.known_as(child[:8])] == [child]
        assert await store.index.known_as(PARENT[:6]) == []
        assert [one.id for one in await store.index.known_as("0123abcd")] == [below]


async def test_the_longest_unused_come_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        days = [f"2020-01-0{number}T00:00:00.000Z" for number in (3, 1, 2, 2, 5)]
        made = [await make(store, str(n), last_active=day, parent_id=PARENT) for n, day in enumerate(days)]
        middle = sorted(made[2:4])
        for index in (store.index, ScannedIndex(store)):
            found = []
            after = None
            while page := await index.oldest(days[4], 2, after):
                assert len(page) <= 2
                found += [row.id for row in page]
                after = page[-1].place
            assert found == [made[1], *middle, made[0]]
