"""A real daemon process on a disk that is slow or full, and beside stale sockets, strangers and other daemons."""

import asyncio
import resource
import time
from pathlib import Path

import pytest

from tests.faults.machine import machine
from tests.support.daemon import PATIENCE
from tests.support.home import REPOSITORY, Home, agentd
from tests.support.messages_api import Gate, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio

SYNC_SECONDS = 0.5
SLOW = f"""
import os, time
def slow(sync):
    def slowly(fd):
        time.sleep({SYNC_SECONDS})
        sync(fd)
    return slowly
os.fsync, os.fdatasync = slow(os.fsync), slow(os.fdatasync)
"""


async def test_a_disk_with_slow_syncs_delays_what_waits_for_it_and_nothing_else() -> None:
    gate = Gate()
    pieces = tuple(f"{number} " for number in range(200))
    async with machine([Reply((Text(("a ", Wait(gate), *pieces)),)), say("other")]) as world:
        slow = world.home.base / "slow"
        slow.mkdir()
        (slow / "sitecustomize.py").write_text(SLOW)
        one = await world.restart(PYTHONPATH=f"{slow}:{REPOSITORY}")
        two = await world.editor("two")
        begun = time.monotonic()
        session = (await one.request("agentd/session/new", {"name": "slow"}))["session"]["id"]
        assert time.monotonic() - begun >= SYNC_SECONDS, "acknowledged before it was synced"
        chat = one.begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
        assert (await two.request("agentd/status"))["running"] == []
        assert (await two.request("agentd/session/list"))["total"] == 1
        await one.shows(session, 1, "a ")
        named = two.begin("agentd/session/name", {"sessionId": session, "name": "renamed"})
        gate.open()
        await one.shows(session, 1, "a " + "".join(pieces))
        assert not named.future.done(), "the stream waited for the disk"
        assert (await named.answer())["session"]["name"] == "renamed"
        assert (await chat.answer())["turn"]["status"] == "completed"
        for editor in (one, two):
            await editor.close()


async def test_a_full_disk_is_told_and_nothing_is_lost_and_it_goes_on_when_there_is_room() -> None:
    gate = Gate()
    script = [say("one"), Reply((Text(("two ", Wait(gate), "more")),)), say("again"), say("three")]
    async with machine(script) as world:
        one = await world.restart()
        two = await world.editor("two")
        first = await one.request("agentd/chat", {"prompt": "1"})
        session = first["session"]["id"]
        chat = one.begin("agentd/chat", {"sessionId": session, "prompt": "2"})
        await one.shows(session, 2, "two ")
        # No file grows any more. The system says so in other words than for a full disk, at the same calls.
        _, hard = resource.prlimit(world.daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(world.daemon.pid, resource.RLIMIT_FSIZE, (0, hard))
        gate.open()
        turn = (await chat.answer())["turn"]
        assert (turn["status"], turn["error"]["kind"]) == ("failed", "storeFailed")
        for editor in (one, two):
            notice = await editor.event("notice", like={"kind": "saving", "ok": False})
            assert "File too large" in notice["message"]
        error = await two.refused("agentd/session/new")
        assert (error.kind, error.message) == ("storeFailed", "Failed to save session: File too large")
        assert (await two.request("agentd/status"))["saving"] is False
        resumed = await two.request("agentd/session/resume", {"sessionId": session})
        assert [turn["status"] for turn in resumed["turns"]] == ["completed", "failed"]
        resource.prlimit(world.daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        again = (await one.request("agentd/turn/retry", {"sessionId": session}))["turn"]
        assert again["status"] == "completed"
        for editor in (one, two):
            await editor.event("notice", like={"kind": "saving", "ok": True})
        await two.event("turn/ended", session=session, like={"turn": {"number": 3}})
        await world.kill(one, two)
        after = await world.restart()
        kept = (await after.request("agentd/session/resume", {"sessionId": session}))["turns"]
        assert kept == [first["turn"], turn, again]
        await after.request("agentd/chat", {"sessionId": session, "prompt": "3"})
        await after.close()


def records(home: Home, session: str) -> Path:
    return home.sessions() / session / "transcript.jsonl"


async def test_a_garbled_line_costs_one_record_and_an_edited_one_nothing() -> None:
    async with machine([say("one"), say("two"), say("three"), say("four")]) as world:
        editor = await world.restart()
        session = (await editor.request("agentd/chat", {"prompt": "1"}))["session"]["id"]
        for prompt in ("2", "3"):
            await editor.request("agentd/chat", {"sessionId": session, "prompt": prompt})
        await editor.close()
        await world.daemon.stop()
        path = records(world.home, session)
        lines = path.read_bytes().split(b"\n")
        (garbled,) = (number for number, line in enumerate(lines) if b'"two"' in line)
        (edited,) = (number for number, line in enumerate(lines) if b'"three"' in line)
        lines[garbled] = lines[garbled][:20] + b"\xff\x00{{" + lines[garbled][28:]
        lines[edited] = lines[edited].replace(b'"three"', b'"by hand"')
        path.write_bytes(b"\n".join(lines))

        after = await world.restart()
        await after.request("agentd/session/resume", {"sessionId": session})
        shown = after.screen.sessions[session].lines()
        assert shown[0] == "completed | prompt: 1 | text: one"
        assert shown[1].startswith("completed | prompt: 2")
        assert shown[2] == "completed | prompt: 3 | text: by hand"
        turn = (await after.request("agentd/chat", {"sessionId": session, "prompt": "4"}))["turn"]
        assert (turn["number"], turn["status"]) == (4, "completed")
        assert (await after.request("agentd/session/list"))["total"] == 1
        await after.close()


async def test_a_session_that_cannot_be_read_costs_no_other_and_is_back_as_soon_as_it_can() -> None:
    async with machine([say("one"), say("two"), say("three")]) as world:
        editor = await world.restart()
        broken = (await editor.request("agentd/chat", {"prompt": "1"}))["session"]["id"]
        fine = (await editor.request("agentd/chat", {"prompt": "2"}))["session"]["id"]
        for session in (broken, fine):
            await editor.request("agentd/session/leave", {"sessionId": session})
        await editor.close()
        await world.daemon.stop()
        path = records(world.home, broken)
        path.rename(path.with_suffix(".kept"))
        path.mkdir()
        editor = await world.restart()
        error = await editor.refused("agentd/session/resume", {"sessionId": broken})
        assert (error.kind, error.code) == ("loadFailed", 10)
        assert error.message.startswith("Failed to load session: ")
        assert str(world.home.base) not in error.message
        assert (await editor.request("agentd/session/list"))["total"] == 2
        assert (await editor.request("agentd/session/resume", {"sessionId": fine}))["turns"]
        path.rmdir()
        path.with_suffix(".kept").rename(path)
        turn = (await editor.request("agentd/chat", {"sessionId": broken, "prompt": "3"}))["turn"]
        assert (turn["number"], turn["status"]) == (2, "completed")
        await editor.close()


async def test_an_ambiguous_prefix_is_refused_with_the_candidates() -> None:
    async with machine([]) as world:
        editor = await world.restart()
        one = (await editor.request("agentd/session/new"))["session"]["id"]
        await editor.close()
        await world.daemon.stop()
        two = one[:-1] + ("0" if one[-1] != "0" else "1")
        (world.home.sessions() / two).mkdir(0o700)
        for path in (world.home.sessions() / one).iterdir():
            (world.home.sessions() / two / path.name).write_bytes(path.read_bytes().replace(one.encode(), two.encode()))
        editor = await world.restart()
        error = await editor.refused("agentd/session/show", {"sessionId": one[:8]})
        assert (error.kind, sorted(error.data["candidates"])) == ("ambiguousSession", sorted([one, two]))
        assert (await editor.request("agentd/session/show", {"sessionId": one}))["session"]["id"] == one
        await editor.close()


def is_dead_socket(place: Path) -> bool:
    return place.is_socket()


def put_something_else(place: Path) -> None:
    place.unlink()
    place.write_text("a stranger's")


def is_something_else(place: Path) -> bool:
    return place.read_text() == "a stranger's"


async def test_dead_sockets_and_strangers_files_block_nothing() -> None:
    async with machine([]) as world:
        editor = await world.through_bridge()
        name = (await editor.request("agentd/session/new", {"name": "kept"}))["session"]["name"]
        await world.kill(editor)
        # The socket of the dead daemon is there, and the lock file says that it listens.
        place = Path(str(world.daemon.note["socket"]))
        assert is_dead_socket(place)
        editor = await world.through_bridge()
        assert (await editor.request("agentd/session/show", {"sessionId": name}))["session"]["name"] == name
        await world.kill(editor)
        put_something_else(place)
        editor = await world.through_bridge()
        assert (await editor.request("agentd/session/show", {"sessionId": name}))["session"]["name"] == name
        assert is_something_else(place)
        await editor.close()


async def run(home: Home, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *agentd(*arguments),
        env=home.environment(),
        cwd=home.root,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    return process.returncode, out.decode(), err.decode()


async def test_a_second_daemon_says_who_serves_and_leaves_the_first_alone() -> None:
    async with machine([]) as world:
        editor = await world.restart()
        code, out, err = await run(world.home, "serve", "--root", str(world.home.root))
        assert (code, out) == (1, "")
        assert "serves" in err
        assert str(world.daemon.pid) in err
        assert (await editor.request("agentd/status"))["pid"] == world.daemon.pid
        await editor.close()


async def test_a_root_or_a_store_that_is_no_directory_is_told_in_words() -> None:
    async with machine([]) as world:
        for command in ("lsp", "serve"):
            code, out, err = await run(world.home, command, "--root", str(world.home.base / "nowhere"))
            assert (code, out) == (1, "")
            assert "nowhere is not a directory" in err
            assert "Traceback" not in err
        (world.home.data / "projects").write_text("no directory")
        for command in ("lsp", "serve"):
            code, out, err = await run(world.home, command, "--root", str(world.home.root))
            assert (code, out) == (1, "")
            assert "Not a directory" in err or "File exists" in err
            assert "Traceback" not in err
        (world.home.data / "projects").unlink()
        editor = await world.restart()
        await editor.close()
