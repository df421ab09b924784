"""A root that is moved while its daemon serves editors: the daemon of the new place asks it to go, and takes over."""

# Nothing else runs in a test's loop that a look at the disk could keep waiting.
# ruff: noqa: ASYNC240

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentd import paths
from tests.server.processes import Bridge, Place, end, gone
from tests.support.messages_api import Gate, MessagesApi, Reply, Text, Wait

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.close()


async def named(bridge: Bridge, *names: str) -> None:
    for name in names:
        assert "result" in await bridge.request("agentd/session/new", {"name": name})


async def listed(bridge: Bridge) -> list[str]:
    answer = await bridge.request("agentd/session/list", {"sort": "name"})
    return [session["name"] for session in answer["result"]["sessions"]]


async def moved_to(place: Place, name: str) -> Place:
    """The root has another name, and with it the project another directory."""
    new = os.path.join(os.path.dirname(place.root), name)
    os.rename(place.root, new)
    place.root, place.project = new, paths.project_dir(place.data, new)
    return place


async def test_the_old_daemon_goes_although_an_editor_is_attached(place: Place) -> None:
    before = await (await place.bridge()).initialize()
    await named(before, "one", "two")
    pid, old_project = (await before.status())["pid"], place.project
    await moved_to(place, "new place")
    after = await (await place.bridge()).initialize()
    assert await listed(after) == ["one", "two"]
    await gone(pid)
    assert (await after.status())["root"] == place.root and not os.path.exists(old_project)
    await named(after, "three")
    assert f"moved with it to {place.root}" in place.log


async def test_many_starters_at_the_new_place_take_over_once(place: Place) -> None:
    before = await (await place.bridge()).initialize()
    await named(before, "one")
    await moved_to(place, "new")
    editors = await asyncio.gather(*(place.bridge() for _ in range(8)))
    await asyncio.gather(*(editor.initialize() for editor in editors))
    assert {(await editor.status())["pid"] for editor in editors} == {place.note["pid"]}
    assert await listed(editors[0]) == ["one"]


async def test_one_that_was_killed_is_no_hindrance(place: Place) -> None:
    before = await (await place.bridge()).initialize()
    await named(before, "one")
    await end((await before.status())["pid"], signal.SIGKILL)
    await moved_to(place, "new")
    after = await (await place.bridge()).initialize()
    assert await listed(after) == ["one"]


async def test_a_new_project_at_the_old_path_beside_the_moved_one(place: Place) -> None:
    before = await (await place.bridge()).initialize()
    await named(before, "old one")
    old = place.root
    await moved_to(place, "away")
    os.makedirs(os.path.join(old, ".agentd"))
    Path(old, ".agentd", "project-id").write_text("a-project-of-its-own\n")
    # The daemon that still serves the old path holds the old one's sessions: whoever is there first, it is asked to go.
    moved = await (await place.bridge()).initialize()
    assert await listed(moved) == ["old one"]
    fresh = await (await place.bridge("--root", old)).initialize()
    assert await listed(fresh) == []
    await named(fresh, "new one")
    assert (await listed(moved), await listed(fresh)) == (["old one"], ["new one"])
    await end((await fresh.status())["pid"], signal.SIGTERM)


async def test_a_copy_of_one_that_lost_its_id_takes_nothing_and_ends_no_daemon(place: Place) -> None:
    original = await (await place.bridge()).initialize()
    await named(original, "one", "two")
    copy = os.path.join(os.path.dirname(place.root), "copy")
    shutil.copytree(place.root, copy)
    # As `git clean -fdx` does it.
    shutil.rmtree(os.path.join(place.root, ".agentd"))
    other = await (await place.bridge("--root", copy)).initialize()
    try:
        status = await other.status()
        assert status["root"] == copy and await listed(other) == []
        assert any("has lost its project id" in problem for problem in status["problems"])
        assert await listed(original) == ["one", "two"]
    finally:
        await end((await other.status())["pid"], signal.SIGTERM)


async def test_a_turn_that_runs_is_let_end(place: Place) -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("a ", Wait(gate), "b")),))]) as api:
        key = {"ANTHROPIC_API_KEY": "test-key", "ANTHROPIC_BASE_URL": api.url}
        before = await (await place.bridge(**key)).initialize()
        session = (await before.request("agentd/session/new", {"name": "mine"}))["result"]["session"]["id"]
        before.ask("agentd/chat", {"sessionId": session, "prompt": "one"})
        await gate.reached.wait()
        other = await (await place.bridge()).initialize()
        await moved_to(place, "new")
        after = await place.bridge()
        asking = asyncio.create_task(after.initialize())
        # The third is the daemon of the new place, which sees the turn and waits.
        while (await other.status())["connections"] < 3:
            assert not asking.done()
        gate.open()
        await asking
        (turn,) = (await after.request("agentd/session/turns", {"sessionId": session}))["result"]["turns"]
        assert (turn["status"], turn["items"][1]["text"]) == ("completed", "a b")
