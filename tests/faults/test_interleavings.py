"""What happens at the same time, in the orders that once went wrong: a shutdown, an interrupt or a bad disk in between.

Each test holds the model, the disk or a request at one point, does the other thing there, and lets go.
"""

import asyncio
import errno
from typing import Any

import pytest

from tests.faults.world import World, world
from tests.support.editor import Asked, Editor
from tests.support.messages_api import Gate, Reply, Text, ToolUse, Wait, say

pytestmark = pytest.mark.anyio


def held(gate: Gate) -> Reply:
    return Reply((Text(("a ", Wait(gate), "b")),))


def held_before_tool(gate: Gate) -> Reply:
    """After this reply the model is asked again, and steers join in between."""
    return Reply((Text(("a ", Wait(gate), "b")), ToolUse("foo", {})))


async def running(here: World, session: str) -> Asked:
    """Turn 1, of which the first word is shown."""
    chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "one"})
    await here.one.shows(session, 1, "a ")
    return chat


async def steer(editor: Editor, session: str, prompt: str, **params: str) -> Asked:
    """A prompt that is to join the running turn, and waits for that on disk."""
    asked = editor.begin("agentd/chat", {"sessionId": session, "prompt": prompt, "whenBusy": "steer", **params})
    await editor.event("turn/queued", session=session, like={"turn": {"items": [{"text": prompt}]}})
    return asked


async def queue(editor: Editor, session: str, prompt: str, **params: str) -> int:
    """A prompt that waits for the running turn to end: its number."""
    turn = (await editor.request("agentd/chat", {"sessionId": session, "prompt": prompt, **params}))["turn"]
    assert turn["status"] == "queued"
    number: int = turn["number"]
    return number


def lines(turns: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """The number, the prompt and the status of each turn."""
    return [(turn["number"], turn["items"][0]["text"], turn["status"]) for turn in turns]


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
