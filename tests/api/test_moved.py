"""Sessions in this process, on a store of a root that was moved; and one writer for a store's directory."""

# Nothing else runs in a test's loop that a look at the disk could keep waiting.
# ruff: noqa: ASYNC240

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from agentd import AgentSession, FileStore, errors
from agentd.api.locking import Held
from agentd.store import open_store
from tests.api.test_inprocess import Echo, EchoProvider, Loader, echo_plan
from tests.support.home import Home, make_home

pytestmark = pytest.mark.anyio


async def begun(root: Path, store: FileStore, name: str | None = None) -> tuple[str, list[Any]]:
    """One session in this process, which is asked once. Its id, and all that was said in it."""
    loader = Loader(echo=EchoProvider(Echo()))
    async with AgentSession(echo_plan(), loader, name, root=root, store=store) as session:
        await session.execute("Hi")
        return session.session_id, [message["content"] for message in await session.messages()]


def identity(root: Path) -> str:
    return (root / ".agentd" / "project-id").read_text().strip()


def on_record(home: Home, root: Path) -> str | None:
    said = json.loads((Path(open_store(home.data, root).location) / "project.json").read_text()).get("project_id")
    return said if isinstance(said, str) else None


async def test_a_moved_root_keeps_its_sessions_whoever_opens_its_store() -> None:
    with make_home() as home:
        old = home.base / "old"
        old.mkdir()
        directory = Path(open_store(home.data, old).location)
        kept, _ = await begun(old, open_store(home.data, old))
        new = old.rename(home.base / "new")
        _, said = await begun(new, open_store(home.data, new), kept)
        assert said == ["Hi", "You said: Hi"] * 2
        assert on_record(home, new) == identity(new)
        assert not directory.exists()


async def test_what_is_not_certain_is_not_put_on_record(caplog: pytest.LogCaptureFixture) -> None:
    with make_home() as home:
        original = home.base / "original"
        original.mkdir()
        kept, _ = await begun(original, open_store(home.data, original))
        copy = Path(shutil.copytree(original, home.base / "copy"))
        shutil.rmtree(original / ".agentd")
        await begun(copy, open_store(home.data, copy))
        assert on_record(home, copy) is None and "has lost its project id" in caplog.text
        # The original's id was kept for it.
        assert (await begun(original, open_store(home.data, original), kept))[0] == kept
        await begun(original, open_store(home.data, original))
        assert identity(original) == on_record(home, original) == identity(copy)


async def test_stores_of_ones_own_side_by_side_stay_what_they_are() -> None:
    with make_home() as home:
        stores = [home.base / "stores" / name for name in ("one", "two")]
        made = [(await begun(home.root, FileStore(store, str(home.root))))[0] for store in stores]
        for store, session in zip(stores, made, strict=True):
            await begun(home.root, FileStore(store, str(home.root)))
            assert (store / "sessions" / session).is_dir()


async def test_who_waits_for_a_lock_that_is_removed_meanwhile_has_the_one_of_the_path(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    first = Held(directory, make=True)
    lock = directory / "lock"
    inode = lock.stat().st_ino
    waiting = asyncio.create_task(asyncio.to_thread(Held, directory, wait=True, make=True))
    async with asyncio.timeout(20):
        await asyncio.to_thread(_somebody_waits, inode)
    shutil.rmtree(directory)
    first.release()
    second = await waiting
    with pytest.raises(errors.SessionInUse):
        Held(directory)
    second.release()
    second.release()
    Held(directory).release()


def _somebody_waits(inode: int) -> None:
    """Until the kernel says so."""
    while not any("->" in line and f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines()):
        os.sched_yield()


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Held(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(errors.StoreFailed):
        Held(tmp_path / "file" / "store", make=True)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "lock").symlink_to(tmp_path / "gone" / "lock")
    with pytest.raises(errors.StoreFailed, match="No such file"):
        Held(tmp_path / "store", make=True)
