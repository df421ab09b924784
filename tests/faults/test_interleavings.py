"""What happens at the same time, in the orders that once went wrong: a shutdown, an interrupt or a bad disk in between.

Each test holds the model, the disk or a request at one point, does the other thing there, and lets go.
"""

import asyncio
import errno
import itertools
import threading

import pytest

from tests.faults.prompts import held, lines, queue, running, steer
from tests.faults.world import world
from tests.support.editor import LIMIT
from tests.support.messages_api import Gate, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio


async def test_a_shutdown_while_a_prompt_is_accepted_ends_and_asks_no_model() -> None:
    async with world([]) as here:
        session = await here.new()
        here.disk.hold(session)
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "one"})
        await here.waiting()
        for editor in here.editors:
            editor.may_be_lost = True
        stopping = asyncio.create_task(here.daemon.stop())
        await here.until(lambda: here.daemon.workspace.closing, here.two)
        here.disk.release()
        await stopping
        assert not here.api.requests
        # It was on disk by then: the client is told how it ended.
        assert (await chat.answer())["turn"]["status"] == "interrupted"


async def test_a_steer_is_answered_that_it_waits_when_the_turn_is_interrupted() -> None:
    gate = Gate()
    async with world([held(gate)]) as here:
        session = await here.new()
        chat = await running(here, session)
        steering = await steer(here.two, session, "two")
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        turn = (await steering.answer())["turn"]
        assert (turn["number"], turn["status"]) == (2, "queued")
        assert (await chat.answer())["turn"]["status"] == "interrupted"
        assert lines((await here.one.request("agentd/session/resume", {"sessionId": session}))["queued"]) == [
            (2, "two", "queued")
        ]


async def test_a_steer_is_answered_that_it_waits_when_the_daemon_is_stopped() -> None:
    gate = Gate()
    async with world([held(gate)]) as here:
        session = await here.new()
        chat = await running(here, session)
        steering = await steer(here.two, session, "two")
        for editor in here.editors:
            editor.may_be_lost = True
        await here.daemon.stop()
        assert (await chat.answer())["turn"]["status"] == "interrupted"
        turn = (await steering.answer())["turn"]
        assert (turn["number"], turn["status"]) == (2, "queued")


async def test_a_retry_that_cannot_be_saved_leaves_the_queue_paused_and_a_later_prompt_runs() -> None:
    gate = Gate()
    async with world([held(gate), say("three"), say("two")]) as here:
        session = await here.new()
        await running(here, session)
        assert await queue(here.two, session, "two") == 2
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        await here.one.event("notice", session=session, like={"kind": "queue"})
        here.disk.fail(errno.ENOSPC)
        assert (await here.one.refused("agentd/turn/retry", {"sessionId": session})).kind == "storeFailed"
        here.disk.mend()
        later = (await here.one.request("agentd/chat", {"sessionId": session, "prompt": "three"}))["turn"]
        assert (later["number"], later["status"]) == (3, "completed")
        await here.one.event("notice", session=session, like={"kind": "queue", "message": "~paused"})
        shown = await here.one.request("agentd/session/show", {"sessionId": session})
        assert shown["session"]["state"] == "queued"
        assert len(here.api.requests) == 2
        retried = (await here.one.request("agentd/turn/retry", {"sessionId": session}))["turn"]
        assert lines([retried]) == [(4, "two", "completed")]


async def test_model_mode_and_usage_survive_a_kill_right_after_the_answer() -> None:
    async with world([say("fine")]) as here:
        session = await here.new(model="claude-sonnet-5-5", mode="ask")
        here.disk.hold("metadata.json")
        named = {"model": "claude-opus-4-8", "mode": "plan"}
        told = (await here.one.request("agentd/chat", {"sessionId": session, "prompt": "one", **named}))["session"]
        assert (told["model"], told["mode"]) == ("claude-opus-4-8", "plan")
        await here.waiting()
        after = await here.restart_on(here.snapshot())
        kept = (await after.request("agentd/session/resume", {"sessionId": session}))["session"]
        for name in ("model", "mode", "usage", "turnCount", "messageCount", "lastPrompt"):
            assert kept[name] == told[name], name


async def test_a_background_turn_that_a_crash_cut_off_is_listed_and_unseen() -> None:
    gate = Gate()
    async with world([held(gate)]) as here:
        session = await here.new()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "one", "background": True})
        await here.one.shows(session, 1, "a ")
        after = await here.restart_on(here.snapshot())
        listed = await after.request("agentd/session/list", {"status": "background"})
        assert [(view["id"], view["unseen"], view["state"]) for view in listed["sessions"]] == [(session, True, "idle")]
        resumed = await after.request("agentd/session/resume", {"sessionId": session})
        assert lines(resumed["turns"]) == [(1, "one", "interrupted")]


async def test_what_was_marked_as_seen_stays_so_under_a_rename_that_was_being_written() -> None:
    async with world([say("fine")]) as here:
        session = await here.new()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "one", "background": True})
        await here.one.event("turn/ended", session=session)
        # Behind what the turn's end has to write, so that the rename is what is held below.
        named = await here.one.request("agentd/session/name", {"sessionId": session, "name": "first"})
        assert named["session"]["unseen"] is True
        here.disk.hold("metadata.json")
        naming = here.one.begin("agentd/session/name", {"sessionId": session, "name": "second"})
        await here.waiting()
        await here.two.request("agentd/session/resume", {"sessionId": session})
        await here.two.event("session/changed", session=session, like={"session": {"unseen": False}})
        here.disk.release()
        told = (await naming.answer())["session"]
        assert (told["name"], told["unseen"]) == ("second", False)
        (listed,) = (await here.two.request("agentd/session/list"))["sessions"]
        assert (listed["name"], listed["unseen"]) == ("second", False)


async def test_counts_that_could_not_be_written_are_written_once_the_disk_works() -> None:
    async with world([say("fine")]) as here:
        session = await here.new()
        here.disk.fail(errno.ENOSPC, "metadata.json")
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "first words"})
        await here.one.event("notice", like={"kind": "saving", "ok": False})
        here.disk.mend()
        await here.one.request("agentd/session/new")
        await here.one.event("notice", like={"kind": "saving", "ok": True})
        path = here.home.sessions() / session / "metadata.json"
        await here.until(lambda: "first words" in path.read_text(), here.two)
        # Nobody writes anything more: what a new daemon lists, without opening it, is what the file says.
        after = await here.restart_on(here.snapshot())
        listed = (await after.request("agentd/session/list"))["sessions"]
        (view,) = [view for view in listed if view["id"] == session]
        assert (view["messageCount"], view["turnCount"], view["firstMessage"]) == (2, 1, "first words")


async def test_a_client_that_attaches_later_is_told_that_nothing_is_saved() -> None:
    async with world([]) as here:
        session = await here.new()
        here.disk.fail(errno.ENOSPC)
        await here.one.refused("agentd/session/name", {"sessionId": session, "name": "x"})
        late = await here.editor("late")
        notice = await late.event("notice", like={"kind": "saving", "ok": False})
        assert "No space left on device" in notice["message"]
        here.disk.mend()
        await here.one.request("agentd/session/name", {"sessionId": session, "name": "x"})
        await late.event("notice", like={"kind": "saving", "ok": True})


async def test_a_refused_prompt_changes_no_model() -> None:
    async with world([]) as here:
        session = await here.new(model="claude-sonnet-5-5", mode="ask")
        await here.one.request("agentd/session/resume", {"sessionId": session})
        here.disk.fail(errno.ENOSPC)
        named = {"model": "claude-opus-4-8", "mode": "plan"}
        error = await here.one.refused("agentd/chat", {"sessionId": session, "prompt": "x", **named})
        assert error.kind == "storeFailed"
        here.disk.mend()
        (listed,) = (await here.two.request("agentd/session/list"))["sessions"]
        assert (listed["model"], listed["mode"]) == ("claude-sonnet-5-5", "ask")


async def test_of_two_resumes_by_one_client_no_event_comes_before_the_second_answer() -> None:
    first, second = Gate(), Gate()
    async with world([Reply((Text(("a ", Wait(first), "b ", Wait(second), "c")),))]) as here:
        session = await here.new()
        chat = await running(here, session)
        reads, slow = itertools.count(1), threading.Event()

        def reading(path: str) -> None:
            if "transcript" in path and next(reads) == 2:
                assert slow.wait(LIMIT)

        here.disk.reading = reading
        resumes = [here.two.begin("agentd/session/resume", {"sessionId": session}) for _ in range(2)]
        futures = [asked.future for asked in resumes]
        _, waits = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT)
        assert len(waits) == 1, "one resume is answered, the other one reads"
        first.open()
        await here.one.shows(session, 1, "a b ")
        # What was published before this answer was made would have come before it.
        await here.two.request("agentd/status")
        assert not [event for event in here.two.events if event.body["type"].startswith("item/")]
        slow.set()
        for asked in resumes:
            await asked.answer()
        second.open()
        await here.two.event("turn/ended", session=session)
        assert here.two.screen.sessions[session].text(1) == "a b c"
        assert (await chat.answer())["turn"]["status"] == "completed"
