"""Background turns and names that come by themselves, when the daemon dies or is told to end meanwhile."""

import asyncio

import pytest

from tests.faults.machine import machine
from tests.support.editor import LIMIT
from tests.support.messages_api import OVERLOADED, SERVER_ERROR, Answer, Gate, Reply, Text, Wait, say

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.mark.parametrize("detached", [False, True])
async def test_a_killed_background_turn_says_so_and_can_be_retried(detached: bool) -> None:
    gate = Gate()
    async with machine([Reply((Text(("half", Wait(gate), " whole")),)), say("whole")]) as world:
        editor = await world.restart()
        params = {"prompt": "long work", "background": not detached}
        asked = editor.begin("agentd/chat", params)
        await editor.event("item/delta")
        (listed,) = (await editor.request("agentd/session/list"))["sessions"]
        if detached:
            turn = (await editor.request("agentd/turn/detach", {"sessionId": listed["id"]}))["turn"]
            assert turn["background"] is True
        else:
            await asked.answer()
        await world.kill(editor)

        after = await world.restart()
        (found,) = (await after.request("agentd/session/list", {"status": "background"}))["sessions"]
        assert (found["id"], found["lastTurn"], found["unseen"], found["state"]) == (
            listed["id"], "interrupted", True, "idle",
        )  # fmt: skip
        retried = await after.request("agentd/turn/retry", {"sessionId": listed["id"]})
        assert (retried["turn"]["status"], retried["turn"]["background"]) == ("completed", True)
        await after.close()


async def test_a_name_that_does_not_come_holds_up_no_end() -> None:
    gate = Gate()
    script = [say("done"), Reply((Text(("Na", Wait(gate), "me")),))]
    async with machine(script) as world:
        world.home.settings({"naming": "model"})
        editor = await world.restart()
        await editor.request("agentd/chat", {"prompt": "x"})
        async with asyncio.timeout(LIMIT):
            await gate.reached.wait()
            await editor.close()
            await world.daemon.stop()


@pytest.mark.parametrize("fault", [OVERLOADED, SERVER_ERROR, say("")], ids=["overloaded", "error", "empty"])
async def test_a_model_that_names_nothing_leaves_the_words(fault: Answer) -> None:
    async with machine([say("done"), fault]) as world:
        world.home.settings({"naming": "model", "retries": 0})
        editor = await world.restart()
        made = await editor.request("agentd/chat", {"prompt": "please mend the pump"})
        session = {"sessionId": made["session"]["id"]}
        async with asyncio.timeout(LIMIT):
            while "name" not in (shown := (await editor.request("agentd/session/show", session))["session"]):
                pass
        assert (shown["name"], shown["nameSource"]) == ("Mend the pump", "auto")
        await editor.close()
