"""Sessions that go while others use them, while the disk fails, and in a crash: there whole, or gone for everybody."""

import asyncio
import errno

import pytest

from agentd.core.metadata import Metadata
from tests.faults.prompts import held, queue, running
from tests.faults.world import World, world
from tests.support.messages_api import Gate, say

pytestmark = pytest.mark.anyio
OLD = "2020-01-02T03:04:05.678Z"


async def old_ones(here: World, *names: str) -> list[str]:
    """Sessions that were last used years ago; the name is the user's unless it begins with a dot."""
    made = []
    for number, name in enumerate(names):
        session_id = f"{number}0000000-0000-4000-8000-00000000000{number}"
        metadata = Metadata(id=session_id, created=OLD, last_active=OLD, name=name, turn_count=1, message_count=2)
        metadata = metadata.changed(name_source="auto" if name.startswith(".") else "user")
        log = await here.daemon.workspace.store.create(metadata, ())
        await log.close()
        made.append(session_id)
    return made


async def ids(here: World) -> set[str]:
    listed = await here.two.request("agentd/session/list", {"status": "all", "limit": 100})
    return {session["id"] for session in listed["sessions"]}


async def test_a_disk_that_fails_keeps_it_there_and_usable() -> None:
    async with world([say("one"), say("two")]) as here:
        session = await here.new(name="kept")
        await here.one.request("agentd/session/resume", {"sessionId": session})
        here.disk.fail(errno.EIO)
        refused = await here.two.refused("agentd/session/delete", {"sessionId": session, "confirm": True})
        assert refused.kind == "storeFailed" and "Input/output error" in refused.message
        assert await ids(here) == {session}
        here.disk.mend()
        turn = (await here.one.request("agentd/chat", {"sessionId": "kept", "prompt": "1"}))["turn"]
        assert turn["status"] == "completed"
        assert (await here.two.request("agentd/session/delete", {"sessionId": session, "confirm": True}))["bytes"] > 0
        for editor in (here.one, here.two):
            await editor.event("session/deleted", session=session)
        assert await ids(here) == set()
        assert (await here.two.request("agentd/status"))["saving"] is True


async def test_requests_in_the_middle_of_it_find_nothing_afterwards() -> None:
    async with world([say("one")]) as here:
        session = await here.new(name="goes")
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "1"})
        await here.one.request("agentd/session/name", {"sessionId": session, "name": "goes soon"})
        here.disk.hold("sessions")
        deleting = here.two.begin("agentd/session/delete", {"sessionId": session, "confirm": True})
        await here.waiting()
        late = [
            here.one.begin(method, {"sessionId": session, **params})
            for method, params in (
                ("agentd/chat", {"prompt": "2"}),
                ("agentd/session/name", {"name": "other"}),
                ("agentd/session/archive", {}),
                ("agentd/session/clear", {}),
                ("agentd/session/fork", {}),
                ("agentd/session/delete", {"confirm": True}),
            )
        ]
        await here.two.request("agentd/status")
        here.disk.release()
        assert (await deleting.answer())["deleted"] == [session]
        for asked in late:
            with pytest.raises(Exception, match="not found") as told:
                await asked.answer()
            assert getattr(told.value, "kind", None) == "sessionNotFound", asked.method
        assert await ids(here) == set()
        # A name is free again, and nothing of it is left on the disk.
        again = await here.new(name="goes soon")
        assert [path.name for path in (here.home.data / "projects").glob("*/sessions/*")] == [again]


async def test_a_crash_in_the_middle_of_it_leaves_it_whole_or_gone() -> None:
    async with world([say("one")]) as here:
        session = await here.new()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "1"})
        # After this nothing of the session is still to be written: the next sync is the deletion's.
        await here.one.request("agentd/session/name", {"sessionId": session, "name": "whole or gone"})
        before = here.snapshot()
        here.disk.hold("sessions")
        deleting = here.two.begin("agentd/session/delete", {"sessionId": session, "confirm": True})
        await here.waiting()
        during = before.with_name("during")
        before.rename(during.with_name("before"))
        here.snapshot().rename(during)
        here.disk.release()
        await deleting.answer()
        after = await here.restart_on(during)
        assert (await after.request("agentd/session/list", {"status": "all"}))["total"] == 0
        assert not list((here.home.data / "projects").glob("*/sessions/*"))
        again = await here.restart_on(during.with_name("before"))
        turns = (await again.request("agentd/session/turns", {"sessionId": session}))["turns"]
        assert [turn["status"] for turn in turns] == ["completed"]


async def test_prompts_that_wait_are_told_of_and_go_with_it() -> None:
    gate = Gate()
    async with world([held(gate)]) as here:
        session = await here.new()
        await running(here, session)
        await queue(here.two, session, "two")
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        refused = await here.two.refused("agentd/session/delete", {"sessionId": session})
        assert "1 prompt that waits" in refused.message
        cleaned = await here.two.request(
            "agentd/session/cleanup", {"olderThanDays": 0, "keepNamed": False, "dryRun": False}
        )
        assert cleaned["sessions"] == []
        gone = await here.two.request("agentd/session/delete", {"sessionId": session, "confirm": True})
        assert gone["queued"] == 1 and await ids(here) == set()


async def test_cleaning_up_takes_what_is_old_and_says_what_it_frees() -> None:
    async with world([]) as here:
        kept, automatic, archived = await old_ones(here, "by hand", ".automatic", ".archived")
        await here.one.request("agentd/session/archive", {"sessionId": archived})
        new = await here.new()
        plan = await here.two.request("agentd/session/cleanup", {})
        assert {session["id"] for session in plan["sessions"]} == {automatic, archived} and plan["bytes"] > 0
        assert await ids(here) == {kept, automatic, archived, new}
        done = await here.two.request("agentd/session/cleanup", {"status": "archived", "dryRun": False})
        assert [session["id"] for session in done["sessions"]] == [archived]
        rest = await here.two.request("agentd/session/cleanup", {"dryRun": False, "olderThanDays": 400.5})
        assert [session["id"] for session in rest["sessions"]] == [automatic]
        assert done["bytes"] + rest["bytes"] == plan["bytes"]
        for session in (automatic, archived):
            await here.one.event("session/deleted", session=session)
        every = await here.two.request("agentd/session/cleanup", {"keepNamed": False, "dryRun": False})
        assert [session["id"] for session in every["sessions"]] == [kept]
        assert await ids(here) == {new}


async def test_one_that_cannot_be_deleted_is_named_and_the_rest_goes() -> None:
    async with world([]) as here:
        first, second, third = await old_ones(here, ".a", ".b", ".c")
        here.disk.fail(errno.EACCES, second)
        done = await here.two.request("agentd/session/cleanup", {"dryRun": False})
        assert {session["id"] for session in done["sessions"]} == {first, third}
        (problem,) = done["problems"]
        assert second[:8] in problem and "Permission denied" in problem
        here.disk.mend()
        assert await ids(here) == {second}


async def test_one_that_cannot_be_opened_goes_all_the_same() -> None:
    async with world([]) as here:
        first, second, third = await old_ones(here, ".a", ".b", ".c")
        for session in (first, second):
            (place,) = (here.home.data / "projects").glob(f"*/sessions/{session}")
            (place / "queue.jsonl").mkdir()
            assert (await here.one.refused("agentd/session/resume", {"sessionId": session})).kind == "loadFailed"
        gone = await here.one.request("agentd/session/delete", {"sessionId": first, "confirm": True})
        assert gone["deleted"] == [first] and gone["bytes"] > 0
        done = await here.two.request("agentd/session/cleanup", {"dryRun": False})
        assert {session["id"] for session in done["sessions"]} == {second, third} and not done["problems"]
        assert await ids(here) == set()


async def test_what_nobody_has_looked_at_stays() -> None:
    async with world([say("done in the background")]) as here:
        session = await here.new()
        await here.one.request("agentd/session/leave", {"sessionId": session})
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "1", "background": True})
        await here.one.event("turn/ended", session=session)
        await here.one.request("agentd/session/leave", {"sessionId": session})
        everything = {"olderThanDays": 0, "keepNamed": False, "dryRun": False}
        assert (await here.two.request("agentd/session/cleanup", everything))["sessions"] == []
        await here.two.request("agentd/session/seen", {"sessionId": session})
        assert len((await here.two.request("agentd/session/cleanup", everything))["sessions"]) == 1


async def test_many_at_once_delete_it_once() -> None:
    async with world([]) as here:
        session = await here.new()
        asked = [
            editor.begin("agentd/session/delete", {"sessionId": session, "confirm": True})
            for editor in (here.one, here.two) * 5
        ]
        answers = await asyncio.gather(*(one.answer() for one in asked), return_exceptions=True)
        gone = [answer for answer in answers if isinstance(answer, dict)]
        assert len(gone) == 1 and gone[0]["deleted"] == [session]
        assert {getattr(answer, "kind", None) for answer in answers if not isinstance(answer, dict)} == {
            "sessionNotFound"
        }
