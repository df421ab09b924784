"""A slow disk delays what waits for it: never the loop, another session or the stream."""

import asyncio

import pytest

from tests.faults.world import world
from tests.support.editor import LIMIT
from tests.support.messages_api import Gate, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio


async def test_a_prompt_is_acknowledged_once_it_is_synced_and_not_before() -> None:
    async with world([say("fine")]) as here:
        session, other = await here.new(), await here.new()
        here.disk.hold(session)
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
        await here.waiting()
        # Others are quick meanwhile: what is answered comes before any word of the prompt.
        for _ in range(20):
            assert (await here.two.request("agentd/status"))["running"] == []
        await here.two.request("agentd/session/name", {"sessionId": other, "name": "quick"})
        assert (await here.two.request("agentd/session/list"))["total"] == 2
        assert not here.api.requests
        assert not [event for event in here.one.events if event.body["type"].startswith("turn/")]
        here.disk.release()
        assert (await chat.answer())["turn"]["status"] == "completed"


async def test_the_stream_and_other_sessions_do_not_wait_for_a_sync() -> None:
    gate = Gate()
    pieces = tuple(f"{number} " for number in range(500))
    async with world([Reply((Text(("first ", Wait(gate), *pieces)),)), say("other")]) as here:
        session, other = await here.new(), await here.new()
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
        await here.one.shows(session, 1, "first ")
        here.disk.hold(session)
        # The name waits for the disk. What the model says does not.
        named = here.two.begin("agentd/session/name", {"sessionId": session, "name": "slow"})
        await here.waiting()
        gate.open()
        await here.one.shows(session, 1, "first " + "".join(pieces))
        await here.one.event("item/ended", session=session)
        assert (await here.two.request("agentd/chat", {"sessionId": other, "prompt": "x"}))["turn"]["number"] == 1
        assert not named.future.done()
        assert not chat.future.done()
        assert not [
            event for event in here.one.events if event.body["type"] == "turn/ended" and event.session == session
        ]
        here.disk.release()
        assert (await named.answer())["session"]["name"] == "slow"
        assert (await chat.answer())["turn"]["status"] == "completed"


async def test_an_interrupt_stops_the_provider_at_once_and_is_answered_when_all_is_kept() -> None:
    gate = Gate()
    async with world([Reply((Text(("some ", Wait(gate))),))]) as here:
        session = await here.new()
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
        await here.one.shows(session, 1, "some ")
        here.disk.hold(session)
        stop = here.two.begin("agentd/turn/interrupt", {"sessionId": session})
        await here.waiting()
        await asyncio.wait_for(here.api.wait_disconnected(1), LIMIT)
        assert not stop.future.done()
        here.disk.release()
        assert (await stop.answer())["turn"]["status"] == "interrupted"
        assert (await chat.answer())["turn"]["items"][-1]["text"] == "some "


async def test_resuming_does_not_wait_for_what_is_being_written() -> None:
    async with world([say("one"), say("two")]) as here:
        session = await here.new()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "1"})
        here.disk.hold(session)
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "2"})
        await here.waiting()
        resumed = await here.two.request("agentd/session/resume", {"sessionId": session})
        assert [turn["number"] for turn in resumed["turns"]] == [1]
        assert "running" not in resumed
        here.disk.release()
        await here.two.event("turn/started", session=session, like={"turn": {"number": 2}})
        assert (await chat.answer())["turn"]["number"] == 2
        await here.two.event("turn/ended", session=session, like={"turn": {"number": 2}})
