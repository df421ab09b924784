"""A compaction that fails, is killed, or whose end the disk refuses changes nothing: not then, and not later."""

import errno
import json
from typing import Any

import pytest

from tests.faults.machine import machine
from tests.faults.world import World, world
from tests.support.editor import RequestError
from tests.support.messages_api import SERVER_ERROR, Gate, Reply, Text, Wait, say

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


def held(gate: Gate) -> Reply:
    return Reply((Text(("SUM", Wait(gate), "MARY")),))


def marks(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == "mark"]


def records(here: World) -> list[dict[str, Any]]:
    files = sorted(here.home.sessions().glob("*/transcript*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def chatted(here: World, *prompts: str) -> str:
    session = await here.new(name="kept")
    for prompt in prompts:
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": prompt})
    return session


async def test_an_end_that_the_disk_refuses_leaves_no_mark_for_later() -> None:
    gate = Gate()
    async with world([say("one"), say("two"), held(gate), say("three")]) as here:
        session = await chatted(here, "alpha", "beta")
        asked = here.one.begin("agentd/session/compact", {"sessionId": session})
        await gate.reached.wait()
        here.disk.fail(errno.ENOSPC, "transcript")
        gate.open()
        with pytest.raises(RequestError, match="Nothing was compacted"):
            await asked.answer()
        here.disk.mend()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "gamma"})
        sent = (await here.api.wait_for_request(4)).body["messages"]
        assert [block["text"] for message in sent for block in message["content"]][:2] == ["alpha", "one"]
        assert marks(records(here)) == []


async def test_a_prompt_that_failed_before_a_failed_compaction_can_be_retried() -> None:
    async with world([say("one"), SERVER_ERROR, SERVER_ERROR, SERVER_ERROR, SERVER_ERROR, say("again")]) as here:
        here.daemon.workspace.settings = here.daemon.workspace.settings.model_copy(update={"retries": 1})
        session = await chatted(here, "alpha", "beta")
        with pytest.raises(RequestError, match="Nothing was compacted"):
            await here.one.request("agentd/session/compact", {"sessionId": session})
        retried = (await here.one.request("agentd/turn/retry", {"sessionId": session}))["turn"]
        assert (retried["status"], retried["retryOf"]) == ("completed", 2)
        with pytest.raises(RequestError, match="nothing to retry"):
            await here.one.request("agentd/turn/retry", {"sessionId": session})


async def test_a_killed_compaction_is_an_interrupted_turn_and_the_session_goes_on() -> None:
    gate = Gate()
    async with machine([say("one"), held(gate), say("two")]) as there:
        editor = await there.restart()
        made = await editor.request("agentd/chat", {"prompt": "alpha"})
        session = made["session"]["id"]
        editor.begin("agentd/session/compact", {"sessionId": session})
        await editor.shows(session, 2, "SUM")
        await there.kill(editor)
        after = await there.restart()
        resumed = await after.request("agentd/session/resume", {"sessionId": session})
        assert [turn["status"] for turn in resumed["turns"]] == ["completed", "interrupted"]
        assert resumed["session"]["turnCount"] == 1
        await after.request("agentd/chat", {"sessionId": session, "prompt": "beta"})
        sent = (await there.api.wait_for_request(3)).body["messages"]
        assert [block["text"] for message in sent for block in message["content"]] == ["alpha", "one", "beta"]
        await after.close()
