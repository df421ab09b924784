"""A disk that is full, read-only or broken: never silent, never acknowledged, and usable as soon as it works again."""

import asyncio
import errno

import pytest

from tests.faults.world import World, world
from tests.support.editor import LIMIT
from tests.support.messages_api import Gate, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio

BROKEN = {
    errno.ENOSPC: "No space left on device",
    errno.EROFS: "Read-only file system",
    errno.EIO: "Input/output error",
}


async def not_saving(here: World, words: str) -> None:
    """Every editor is told, and status says so."""
    for editor in (here.one, here.two):
        notice = await editor.event("notice", like={"kind": "saving", "ok": False})
        assert words in notice["message"]
    assert (await here.two.request("agentd/status"))["saving"] is False


async def saving_again(here: World) -> None:
    for editor in (here.one, here.two):
        await editor.event("notice", like={"kind": "saving", "ok": True, "message": "~works again"})
    assert (await here.two.request("agentd/status"))["saving"] is True


@pytest.mark.parametrize("number", BROKEN)
async def test_a_prompt_that_cannot_be_kept_is_refused_and_works_later(number: int) -> None:
    async with world([say("one"), say("two")]) as here:
        session = await here.new(name="kept")
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "1"})
        here.disk.fail(number)
        for _ in range(3):
            error = await here.one.refused("agentd/chat", {"sessionId": session, "prompt": "2"})
            assert (error.kind, error.code, error.data["retryable"]) == ("storeFailed", 11, True)
            assert BROKEN[number] in error.message
            assert str(here.home.base) not in error.message
        await not_saving(here, BROKEN[number])
        for method, params in (
            ("agentd/session/new", {}),
            ("agentd/session/name", {"sessionId": session, "name": "other"}),
            ("agentd/session/archive", {"sessionId": session}),
            ("agentd/session/fork", {"sessionId": session}),
            ("agentd/session/clear", {"sessionId": session}),
        ):
            assert (await here.two.refused(method, params)).kind == "storeFailed", method
        # What was there can be read, and is as it was.
        resumed = await here.two.request("agentd/session/resume", {"sessionId": "kept"})
        assert [turn["number"] for turn in resumed["turns"]] == [1]
        assert (resumed["session"]["status"], resumed["session"]["state"]) == ("active", "idle")
        assert (await here.two.request("agentd/session/list"))["total"] == 1
        here.disk.mend()
        turn = (await here.one.request("agentd/chat", {"sessionId": session, "prompt": "2"}))["turn"]
        assert turn["status"] == "completed"
        await saving_again(here)
        exchange = await asyncio.wait_for(here.api.wait_for_request(2), LIMIT)
        assert len(exchange.body["messages"]) == 3, "what was refused is not sent to the model"
        assert (await here.two.request("agentd/session/fork", {"sessionId": session}))["session"]["turnCount"] == 2


@pytest.mark.parametrize("number", BROKEN)
async def test_a_running_turn_stops_as_failed_with_what_was_shown_and_is_kept_later(number: int) -> None:
    gate = Gate()
    async with world([Reply((Text(("shown ", Wait(gate), "more ", "and more")),)), say("again"), say("next")]) as here:
        session = await here.new()
        await here.two.request("agentd/session/resume", {"sessionId": session})
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "1"})
        await here.one.shows(session, 1, "shown ")
        here.disk.fail(number)
        gate.open()
        turn = (await chat.answer())["turn"]
        assert (turn["status"], turn["error"]["kind"], turn["error"]["retryable"]) == ("failed", "storeFailed", True)
        assert turn["items"][-1]["text"].startswith("shown ")
        await not_saving(here, BROKEN[number])
        # Who attaches now sees it too, though it is in memory only.
        await here.two.event("turn/ended", session=session)
        await here.two.request("agentd/session/leave", {"sessionId": session})
        resumed = await here.two.request("agentd/session/resume", {"sessionId": session})
        assert [turn["status"] for turn in resumed["turns"]] == ["failed"]
        assert (await here.one.refused("agentd/turn/retry", {"sessionId": session})).kind == "storeFailed"
        here.disk.mend()
        again = (await here.one.request("agentd/turn/retry", {"sessionId": session}))["turn"]
        assert (again["status"], again["retryOf"]) == ("completed", 1)
        await saving_again(here)
        kept = (await here.two.request("agentd/session/turns", {"sessionId": session}))["turns"]
        assert kept == [turn, again]


async def test_one_session_that_cannot_be_written_costs_no_other() -> None:
    async with world([say("one"), say("two")]) as here:
        broken, fine = await here.new(name="broken"), await here.new(name="fine")
        here.disk.fail(errno.EACCES, broken)
        error = await here.one.refused("agentd/session/name", {"sessionId": broken, "name": "x"})
        assert error.message == "Failed to save session metadata: Permission denied"
        error = await here.one.refused("agentd/chat", {"sessionId": broken, "prompt": "x"})
        assert error.kind == "storeFailed"
        assert (await here.two.request("agentd/chat", {"sessionId": fine, "prompt": "x"}))["turn"]["number"] == 1
        here.disk.mend()
        assert (await here.one.request("agentd/chat", {"sessionId": broken, "prompt": "x"}))["turn"]["number"] == 1


async def test_a_queue_that_cannot_be_written_refuses_the_prompt_and_spares_the_turn() -> None:
    gate = Gate()
    async with world([Reply((Text(("a ", Wait(gate), "b")),)), say("next")]) as here:
        session = await here.new()
        chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "1"})
        await here.one.shows(session, 1, "a ")
        here.disk.fail(errno.ENOSPC, "queue")
        error = await here.two.refused("agentd/chat", {"sessionId": session, "prompt": "2"})
        assert error.kind == "storeFailed"
        assert "No space left on device" in error.message
        await not_saving(here, "No space left on device")
        here.disk.mend()
        gate.open()
        assert (await chat.answer())["turn"]["status"] == "completed"
        await saving_again(here)
        assert (await here.two.request("agentd/chat", {"sessionId": session, "prompt": "2"}))["turn"]["number"] == 2
