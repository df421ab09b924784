"""Sessions that go while others use them, while the disk fails, and in a crash: there whole, or gone for everybody."""

import asyncio
import errno
import shutil

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


async def test_of_two_at_once_the_second_does_not_find_it() -> None:
    async with world([]) as here:
        for _ in range(5):
            session = await here.new()
            await here.one.request("agentd/session/leave", {"sessionId": session})
            asked = [
                editor.begin("agentd/session/delete", {"sessionId": session, "confirm": True})
                for editor in (here.one, here.two)
            ]
            answers = await asyncio.gather(*(one.answer() for one in asked), return_exceptions=True)
            assert sorted(str(getattr(answer, "kind", "deleted")) for answer in answers) == [
                "deleted",
                "sessionNotFound",
            ]


async def test_cleaning_up_spares_what_was_used_since_it_began() -> None:
    async with world([say("two")]) as here:
        first, named, chatted, archived = await old_ones(here, ".a", ".b", ".c", ".d")
        assert (await here.two.request("agentd/session/list", {"limit": 1}))["total"] == 4
        # The first one's deletion waits for the disk; the others were chosen by then.
        here.disk.hold("/sessions")
        cleaning = here.two.begin("agentd/session/cleanup", {"status": "active", "dryRun": False})
        await here.waiting()
        here.disk.holding = None
        await here.one.request("agentd/session/name", {"sessionId": named, "name": "precious"})
        await here.one.request("agentd/chat", {"sessionId": chatted, "prompt": "1"})
        await here.one.request("agentd/session/leave", {"sessionId": chatted})
        await here.one.request("agentd/session/archive", {"sessionId": archived})
        await here.until(lambda: not here.daemon.workspace.sessions.keys() & {named, chatted, archived}, here.one)
        here.disk.release()
        done = await cleaning.answer()
        assert [session["id"] for session in done["sessions"]] == [first] and done["total"] == 1
        assert len(done["problems"]) == 3 and all("began to use it" in problem for problem in done["problems"])
        assert await ids(here) == {named, chatted, archived}


async def test_sub_sessions_of_one_that_is_gone_stand_by_themselves() -> None:
    async with world([say("one")]) as here:
        here.home.agent("helper", "---\ndescription: x\n---\nHelp.")
        parent = await here.new(name="parent")
        made = await here.one.request("agentd/session/new", {"parentId": parent, "profile": "helper"})
        child = made["session"]["id"]
        await here.one.request("agentd/chat", {"sessionId": child, "prompt": "1"})
        assert await ids(here) == {parent}
        await here.two.request("agentd/session/delete", {"sessionId": parent, "confirm": True})
        assert await ids(here) == {child}
        everywhere = await here.two.request("agentd/session/list", {"scope": "everywhere"})
        assert [session["id"] for session in everywhere["sessions"]] == [child]
        assert (await here.two.request("agentd/session/list", {"parentId": parent}))["total"] == 1


async def test_a_live_sub_session_of_one_that_is_gone_is_listed_too() -> None:
    gate = Gate()
    async with world([held(gate)]) as here:
        here.home.agent("helper", "---\ndescription: x\n---\nHelp.")
        parent = await here.new(name="parent")
        made = await here.one.request("agentd/session/new", {"parentId": parent, "profile": "helper"})
        child = made["session"]["id"]
        await running(here, child)
        assert await ids(here) == {parent}
        await here.one.request("agentd/session/leave", {"sessionId": parent})
        assert await ids(here) == {parent}
        await here.two.request("agentd/session/delete", {"sessionId": parent, "confirm": True})
        (shown,) = (await here.two.request("agentd/session/list"))["sessions"]
        assert shown["id"] == child and shown["state"] == "running"
        gate.open()
        await here.one.event("turn/ended", session=child)


async def test_one_that_was_removed_by_hand_while_it_was_open_goes_when_it_is_left() -> None:
    async with world([]) as here:
        session, kept = await here.new(name="gone"), await here.new(name="kept")
        await here.one.request("agentd/session/resume", {"sessionId": session})
        await here.two.request("agentd/session/stats", {})  # all is read, so the watch has begun
        (place,) = (here.home.data / "projects").glob(f"*/sessions/{session}")
        shutil.rmtree(place)
        # It looks at names in order: when it has told of what comes later, it has seen this.
        copied = place.with_name("z0000000-0000-4000-8000-000000000000")
        made = here.home.base / "made"
        made.mkdir()
        (made / "metadata.json").write_bytes(Metadata(id=copied.name, created=OLD, last_active=OLD).dump_json())
        made.rename(copied)
        await here.two.event("session/created", session=copied.name)
        assert await ids(here) == {session, kept, copied.name}
        await here.one.request("agentd/session/leave", {"sessionId": session})
        await here.two.event("session/deleted", session=session)
        assert await ids(here) == {kept, copied.name}
        for method, params in (("delete", {"confirm": True}), ("show", {}), ("resume", {})):
            refused = await here.two.refused(f"agentd/session/{method}", {"sessionId": session, **params})
            assert refused.kind == "sessionNotFound", method


async def test_one_that_was_removed_by_hand_is_not_found_before_anybody_noticed() -> None:
    async with world([]) as here:
        sessions = await old_ones(here, ".a", ".b", ".c")
        assert await ids(here) == set(sessions)
        for session, method in zip(sessions, ("delete", "show", "resume"), strict=True):
            (place,) = (here.home.data / "projects").glob(f"*/sessions/{session}")
            shutil.rmtree(place)
            refused = await here.two.refused(f"agentd/session/{method}", {"sessionId": session})
            assert refused.kind == "sessionNotFound"


async def test_deleting_one_reads_the_metadata_of_no_other() -> None:
    async with world([]) as here:
        sessions = await old_ones(here, ".a", ".b", ".c")
        assert await ids(here) == set(sessions)
        await here.two.request("agentd/session/stats", {})
        read: set[str] = set()
        here.disk.reading = read.add
        await here.two.request("agentd/session/delete", {"sessionId": sessions[0], "confirm": True})
        plan = await here.two.request("agentd/session/cleanup", {})
        assert {session["id"] for session in plan["sessions"]} == set(sessions[1:])
        assert {path.split("/")[-2] for path in read if path.endswith("metadata.json")} <= {sessions[0]}


async def test_an_answer_lists_a_thousand_and_says_how_many_there_are() -> None:
    async with world([]) as here:
        place = here.home.sessions()
        for number in range(1234):
            session_id = f"{number:08x}-0000-4000-8000-000000000000"
            (place / session_id).mkdir()
            active = f"2020-01-01T00:{number // 60:02}:{number % 60:02}.000Z"
            metadata = Metadata(id=session_id, created=OLD, last_active=active)
            (place / session_id / "metadata.json").write_bytes(metadata.dump_json())
        after = await here.restart_on(here.snapshot())
        async with asyncio.timeout(60):
            while (await after.request("agentd/session/list", {"limit": 1}))["total"] < 1234:
                pass
        plan = await after.request("agentd/session/cleanup", {})
        assert plan["total"] == 1234
        assert [int(session["id"][:8], 16) for session in plan["sessions"]] == list(range(1000))
