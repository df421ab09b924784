"""Other projects are read and left alone, whatever is in them: what they cost is their own line among the problems."""

import asyncio
import json
import os
import shutil
import sqlite3
import threading
import uuid
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from agentd import paths
from agentd.core.words import terms_of
from agentd.protocol import ListParams, Session
from agentd.store import elsewhere
from agentd.store.finding import Matches
from agentd.store.index.database import NAME, read_only
from agentd.store.project import FileStore
from agentd.store.shadows import Shadows, Unready
from tests.server.test_finding import editing
from tests.store.index.support import make, metadata, turn
from tests.support.editor import LIMIT, Editor
from tests.support.home import Home, make_home

pytestmark = pytest.mark.anyio
T = TypeVar("T")


def state_of(directory: Path) -> dict[str, tuple[int, int, int]]:
    """All that is in a project, and whether it is still the same."""
    there = {str(path.relative_to(directory)): path.lstat() for path in sorted(directory.rglob("*"))}
    return {name: (state.st_ino, state.st_size, state.st_mtime_ns) for name, state in there.items()}


async def filled(directory: Path, *texts: str) -> list[str]:
    """A project that was closed in order, with a session for each text."""
    store = FileStore(directory, "/elsewhere")
    await store.start()
    ids = [await make(store, f"name {n}", text) for n, text in enumerate(texts)]
    await store.index.use()
    await store.close()
    return ids


def many(directory: Path, count: int) -> None:
    """Copies of the project's one session, behind the back of its index."""
    (seed,) = (directory / "sessions").iterdir()
    values = json.loads((seed / "metadata.json").read_text())
    for n in range(count):
        copy = directory / "sessions" / str(uuid.uuid4())
        shutil.copytree(seed, copy)
        (copy / "metadata.json").write_text(json.dumps({**values, "id": copy.name, "name": f"copy {n}"}))


async def once_ready(ask: Callable[[], T]) -> T:
    """What is answered when it has been read."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                return await asyncio.to_thread(ask)
            except Unready as unready:
                await asyncio.wrap_future(unready.ready)


def found(directory: Path, query: str) -> Matches:
    return elsewhere.search(directory, terms_of(query), "all", 50, None)


def named(directory: Path) -> list[str]:
    rows = elsewhere.page(directory, ListParams(limit=1000)).rows
    return sorted(str(Session.model_validate_json(row.json).name) for row in rows)


async def test_an_index_that_is_read_is_its_daemons_still(tmp_path: Path) -> None:
    project = tmp_path / "data" / "projects" / "other"
    await filled(project, "heliotrope", "colour")
    before = state_of(project)
    assert named(project) == ["name 0", "name 1"]
    assert len(found(project, "heliotrope").hits) == 1
    assert state_of(project) == before
    reading = read_only(project / NAME)
    assert reading is not None
    with closing(reading):
        assert reading.execute("SELECT count(*) FROM sessions").fetchone() == (2,)
        assert state_of(project) == before
        store = FileStore(project, "/elsewhere")
        await store.start()
        await store.index.use()
        assert (project / NAME).stat().st_ino == before[NAME][0]
        await store.close()


async def killed(tmp_path: Path, *texts: str) -> Path:
    """A project as a daemon leaves it that is killed: its index has a log, and does not say that it is whole."""
    *before, last = texts
    await filled(tmp_path / "running", *before)
    # An index that was built before goes on with its log, which is not emptied meanwhile.
    store = FileStore(tmp_path / "running", "/elsewhere")
    await store.start()
    await make(store, f"name {len(before)}", last)
    await store.index.use()
    project = tmp_path / "data" / "projects" / "other"
    project.parent.mkdir(parents=True)
    # The sessions' files are the same ones, as the index knows them.
    shutil.copytree(tmp_path / "running" / "sessions", project / "sessions", copy_function=os.link)
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / "running" / f"{NAME}{suffix}", project)
    await store.close()
    assert (project / f"{NAME}-wal").stat().st_size
    long_ago(project)
    return project


def long_ago(project: Path) -> None:
    """The index was written some time ago."""
    for path in project.glob(f"{NAME}*"):
        os.utime(path, (1e9, 1e9))


async def test_what_a_killed_daemon_left_is_read_from_a_copy(tmp_path: Path) -> None:
    project = await killed(tmp_path, "heliotrope", "colour")
    with closing(sqlite3.connect(project / NAME)) as connection:
        # As long as this is open, it is in the log only.
        view = connection.execute("SELECT json FROM views WHERE number = 1").fetchone()[0]
        view = view.replace(b'"name 0"', b'"as indexed"')
        connection.execute("UPDATE views SET json = ?, crc = ? WHERE number = 1", (view, zlib.crc32(view)))
        connection.commit()
        long_ago(project)
        before = state_of(project)
        assert await once_ready(partial(named, project)) == ["as indexed", "name 1"]
        assert len((await once_ready(partial(found, project, "heliotrope"))).hits) == 1
        assert state_of(project) == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["projects"]
    # What changes there meanwhile is seen.
    store = FileStore(project, "/elsewhere")
    await store.start()
    await make(store, "name 2", "heliotrope")
    await store.close()
    assert await once_ready(partial(named, project)) == ["as indexed", "name 1", "name 2"]
    assert len((await once_ready(partial(found, project, "heliotrope"))).hits) == 2


async def test_a_damaged_index_of_a_killed_daemon_is_passed_over(tmp_path: Path) -> None:
    project = await killed(tmp_path, *["heliotrope"] * 40)
    with closing(sqlite3.connect(project / NAME)) as connection:
        connection.execute("UPDATE views SET json = x'00'")
        connection.commit()
    long_ago(project)
    assert len(await once_ready(partial(named, project))) == 40
    assert len((await once_ready(partial(found, project, "heliotrope"))).hits) == 40


async def test_what_nobody_waits_for_is_not_read_on(tmp_path: Path) -> None:
    project = tmp_path / "data" / "projects" / "other"
    await filled(project, "heliotrope")
    many(project, 300)
    shadows = Shadows()
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        shadows.ask(project, lambda _: None, texts=True)

    with pytest.raises(Unready) as first:
        ask()
    with pytest.raises(Unready) as second:
        ask()
    assert first.value.ready is second.value.ready
    first.value.join()
    second.value.join()
    first.value.leave(wanted=False)
    assert not second.value.ready.done()
    second.value.leave(wanted=False)
    await asyncio.wait_for(asyncio.wrap_future(second.value.ready), LIMIT)
    with pytest.raises(Unready):  # it was not read to its end
        ask()
    await once_ready(ask)


async def test_a_large_project_is_read_once_and_then_answered() -> None:
    with make_home() as home:
        root = home.base / "large"
        root.mkdir()
        project = Path(paths.project_dir(str(home.data), str(root)))
        store = FileStore(project, str(root))
        await store.start()
        drafts = [draft for n in range(1, 7) for draft in turn(n, f"prompt {n} parseConfig", "reply word " * 60)]
        log = await store.create(metadata("seed"), drafts)
        await log.close()
        await store.close()
        await asyncio.to_thread(many, project, 400)
        before = state_of(project)
        threads = [thread.name for thread in threading.enumerate()].count("agentd-shadows")
        async with editing(home) as editor:
            await editor.request("agentd/session/new", {"name": "here"})
            asked = {"query": "word", "scope": "everywhere"}
            # Several at once are one reading.
            first = [editor.begin("agentd/session/search", asked) for _ in range(8)]
            answers = [await one.answer() for one in first]
            async with asyncio.timeout(LIMIT):
                while (answer := await editor.request("agentd/session/search", asked)).get("problems"):
                    answers.append(answer)
            assert answer["hits"]
            assert "nextCursor" in answer
            assert {problem for one in answers for problem in one.get("problems", [])} <= {
                f"{root}: its sessions are being read; ask again"
            }
            listed = await editor.request("agentd/session/list", {"scope": "everywhere"})
            assert (listed["total"], listed.get("problems")) == (402, None)
            running = [thread.name for thread in threading.enumerate()]
            assert running.count("agentd-shadows") <= threads + 1
            assert running.count("agentd-elsewhere") <= 6
        assert state_of(project) == before


SILENT = 8
"""Daemons that accept and never answer: more than there are threads."""


def hostile(home: Home) -> tuple[Path, list[Path]]:
    """Projects that would hold up who opens what is in them; and one that is sound beside them."""
    projects = home.data / "projects"
    for name in ("lock", "index.sqlite3", "project.json"):
        made = projects / f"fifo-{name}"
        (made / "sessions").mkdir(parents=True)
        os.mkfifo(made / name)
    (projects / "loop").symlink_to("loop")
    (projects / "dangling").symlink_to(home.base / "nowhere")
    (projects / "again").symlink_to(paths.project_dir(str(home.data), str(home.root)))
    (projects / "a-file").write_text("no project")
    odd = projects / "odd"
    (odd / "sessions" / "a-link").parent.mkdir(parents=True)
    (odd / "sessions" / "a-link").symlink_to("/")
    (odd / "lock").write_bytes(b"\xff{" * 1000)
    for name, size in (("huge", 1 << 36), ("none", 0)):
        (odd / "sessions" / name).mkdir()
        with (odd / "sessions" / name / "metadata.json").open("wb") as file:
            file.truncate(size)
    (odd / "sessions" / "piped").mkdir()
    os.mkfifo(odd / "sessions" / "piped" / "metadata.json")
    os.mkfifo(odd / "sessions" / "piped" / "transcript.jsonl")
    silent = [home.base / f"silent-{n}" for n in range(SILENT)]
    for root in silent:
        root.mkdir()
        place = Path(paths.project_dir(str(home.data), str(root)))
        (place / "sessions").mkdir(parents=True)
        (place / "project.json").write_text(json.dumps({"version": 1, "root": str(root)}))
        (place / "lock").write_text(json.dumps({"socket": str(home.base / "s.sock"), "version": "1", "pid": 1}) + "\n")
    return projects / "sound", silent


async def listed_everywhere(editor: Editor) -> tuple[list[str | None], list[str]]:
    page = await editor.request("agentd/session/list", {"scope": "everywhere", "status": "all"})
    return sorted(one.get("name") for one in page["sessions"]), page.get("problems", [])


async def test_hostile_projects_cost_their_own_line() -> None:
    with make_home() as home:
        sound, silent = hostile(home)
        await filled(sound, "heliotrope")
        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_unix_server(
            lambda _reader, writer: accepted.append(writer), str(home.base / "s.sock")
        )
        async with server, editing(home) as editor:
            await editor.request("agentd/session/new", {"name": "here"})
            expected = {*map(str, silent), "odd", "fifo-lock", "fifo-index.sqlite3", "fifo-project.json"}
            async with asyncio.timeout(LIMIT):
                names, problems = await listed_everywhere(editor)
                # A loaded machine may need a second time to read the sound one.
                while names != ["here", "name 0"] or {problem.split(":")[0] for problem in problems} - expected:
                    names, problems = await listed_everywhere(editor)
            assert {f"{root}: no answer within 1 s" for root in silent} <= set(problems)
            asked = {"query": "heliotrope", "scope": "everywhere"}
            async with asyncio.timeout(LIMIT):
                while not (hits := (await editor.request("agentd/session/search", asked))["hits"]):
                    pass
            assert [hit["session"]["name"] for hit in hits] == ["name 0"]
            for writer in accepted:
                writer.close()
                await writer.wait_closed()
