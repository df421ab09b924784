"""A prompt is one turn: sent again, taken from the queue, joined as a steer or cut by a crash, it never runs twice."""

import errno

import pytest

from tests.faults.prompts import held, held_before_tool, lines, prompts_of, queue, running, steer
from tests.faults.world import world
from tests.support.editor import RequestError
from tests.support.messages_api import Gate, say

pytestmark = pytest.mark.anyio


async def test_a_prompt_that_is_sent_again_after_another_turn_is_the_same_turn() -> None:
    async with world([say("x"), say("y")]) as here:
        session = await here.new()
        first = {"sessionId": session, "prompt": "one", "ref": "R1"}
        turn = (await here.one.request("agentd/chat", first))["turn"]
        await here.two.request("agentd/chat", {"sessionId": session, "prompt": "two"})
        assert (await here.one.request("agentd/chat", first))["turn"] == turn
        assert len(here.api.requests) == 2


async def test_a_steer_that_is_sent_again_is_the_turn_that_it_joined() -> None:
    gate = Gate()
    async with world([held_before_tool(gate), say("y")]) as here:
        session = await here.new()
        await running(here, session)
        steering = await steer(here.two, session, "two", ref="S")
        gate.open()
        turn = (await steering.answer())["turn"]
        assert turn["number"] == 1
        again = {"sessionId": session, "prompt": "two", "whenBusy": "steer", "ref": "S"}
        assert (await here.two.request("agentd/chat", again))["turn"] == turn
        assert len(here.api.requests) == 2


async def test_a_queue_whose_clients_are_gone_is_run_with_what_the_retrying_client_brings() -> None:
    gate = Gate()
    async with world([held(gate), say("again"), say("two"), say("three")]) as here:
        session = await here.new()
        # The provider refuses this one's key.
        other = await here.editor("other", key="withdrawn")
        await running(here, session)
        for prompt in ("two", "three"):
            await queue(other, session, prompt)
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        late = await here.editor("late")
        await here.gone(here.one, here.two, other, asking=late)
        # Nobody needs the session open now: with it goes what their clients had brought.
        await here.until(lambda: session not in here.daemon.workspace.sessions, late)
        await late.request("agentd/session/resume", {"sessionId": session})
        assert (await late.request("agentd/turn/retry", {"sessionId": session}))["turn"]["status"] == "completed"
        await late.event("turn/ended", session=session, like={"turn": {"items": [{"text": "three"}, "*"]}})
        turns = (await late.request("agentd/session/turns", {"sessionId": session}))["turns"]
        assert lines(turns) == [
            (1, "one", "interrupted"),
            (4, "one", "completed"),
            (5, "two", "completed"),
            (6, "three", "completed"),
        ]


async def test_a_prompt_that_was_begun_does_not_wait_again_though_the_queue_could_not_be_written() -> None:
    gate = Gate()
    async with world([held(gate), say("y"), say("z")]) as here:
        session = await here.new()
        await running(here, session)
        await queue(here.two, session, "two")
        here.disk.fail(errno.ENOSPC, "queue")
        gate.open()
        await here.two.event("turn/ended", session=session, like={"turn": {"number": 2, "status": "completed"}})
        shown = await here.one.request("agentd/session/show", {"sessionId": session})
        assert shown["session"]["state"] == "idle"
        here.disk.mend()
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "three"})
        late = await here.editor("late")
        await here.gone(here.one, here.two, asking=late)
        await here.until(lambda: session not in here.daemon.workspace.sessions, late)
        resumed = await late.request("agentd/session/resume", {"sessionId": session})
        assert lines(resumed["turns"]) == [(1, "one", "completed"), (2, "two", "completed"), (3, "three", "completed")]
        assert resumed["queued"] == []


async def test_an_overtaken_prompt_that_was_begun_does_not_wait_again_after_a_kill() -> None:
    gate = Gate()
    async with world([held(gate), say("three"), say("two")]) as here:
        session = await here.new()
        await running(here, session)
        await queue(here.two, session, "two")
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "three"})
        here.disk.hold("queue")
        here.one.begin("agentd/turn/retry", {"sessionId": session})
        await here.waiting()
        # Killed between the turn's start and its prompt's leaving the queue.
        snapshot = here.snapshot()
        (file,) = snapshot.glob(f"projects/*/sessions/{session}/queue.jsonl")
        written = file.read_bytes().splitlines(keepends=True)
        kept = [line for line in written if b'"drop"' not in line]
        assert len(kept) < len(written)
        file.write_bytes(b"".join(kept))
        after = await here.restart_on(snapshot)
        resumed = await after.request("agentd/session/resume", {"sessionId": session})
        assert lines(resumed["turns"]) == [
            (1, "one", "interrupted"),
            (3, "three", "completed"),
            (4, "two", "interrupted"),
        ]
        assert resumed["queued"] == []


async def test_a_steer_that_is_being_written_while_the_turn_is_interrupted_joins_and_waits_no_more() -> None:
    gate = Gate()
    async with world([held_before_tool(gate)]) as here:
        session = await here.new()
        await running(here, session)
        steering = await steer(here.two, session, "two")
        here.disk.hold("transcript")
        gate.open()
        await here.waiting()
        interrupting = here.one.begin("agentd/turn/interrupt", {"sessionId": session})
        scope = here.daemon.workspace.sessions[session].scope
        assert scope is not None
        await here.until(lambda: scope.cancel_called, here.two)
        here.disk.release()
        turn = (await interrupting.answer())["turn"]
        assert (turn["status"], prompts_of(turn)) == ("interrupted", ["one", "two"])
        assert (await steering.answer())["turn"]["number"] == 1
        resumed = await here.one.request("agentd/session/resume", {"sessionId": session})
        assert resumed["turns"] == [turn]
        assert resumed["queued"] == []


async def test_a_steer_whose_drop_is_being_written_does_not_join() -> None:
    gate = Gate()
    async with world([held_before_tool(gate), say("y")]) as here:
        session = await here.new()
        chat = await running(here, session)
        joins, dropped = [await steer(here.two, session, prompt) for prompt in ("two", "three")]
        here.disk.hold("queue")
        dropping = here.one.begin("agentd/turn/interrupt", {"sessionId": session, "turn": 3})
        await here.waiting()
        gate.open()
        await here.one.event("item/ended", session=session, like={"item": {"kind": "tool"}})
        here.disk.release()
        turn = (await chat.answer())["turn"]
        assert prompts_of(turn) == ["one", "two"]
        assert (await joins.answer())["turn"] == turn
        for asked in (dropping, dropped):
            assert lines([(await asked.answer())["turn"]]) == [(3, "three", "interrupted")]


async def test_a_steer_is_not_called_dropped_when_it_joins_meanwhile() -> None:
    gate = Gate()
    async with world([held_before_tool(gate), say("y")]) as here:
        session = await here.new()
        chat = await running(here, session)
        steering = [await steer(here.two, session, prompt) for prompt in ("two", "three")]
        here.disk.hold("transcript")
        gate.open()
        await here.waiting()
        dropping = here.one.begin("agentd/turn/interrupt", {"sessionId": session, "turn": 3})
        await here.one.request("agentd/status")
        here.disk.release()
        turn = (await chat.answer())["turn"]
        assert prompts_of(turn) == ["one", "two", "three"]
        with pytest.raises(RequestError, match="neither runs nor waits"):
            await dropping.answer()
        for asked in steering:
            assert (await asked.answer())["turn"] == turn


async def test_who_waits_for_an_overtaken_prompt_is_answered_when_it_has_run() -> None:
    gate = Gate()
    async with world([held(gate), say("three"), say("two")]) as here:
        session = await here.new()
        await running(here, session)
        assert await queue(here.two, session, "two", ref="R2") == 2
        await here.one.request("agentd/turn/interrupt", {"sessionId": session})
        await here.one.request("agentd/chat", {"sessionId": session, "prompt": "three"})
        again = {"sessionId": session, "prompt": "two", "ref": "R2", "whenBusy": "steer"}
        waiting = here.two.begin("agentd/chat", again)
        waiters = here.daemon.workspace.sessions[session].waiters
        await here.until(lambda: 2 in waiters, here.one)
        retried = (await here.one.request("agentd/turn/retry", {"sessionId": session}))["turn"]
        assert lines([retried]) == [(4, "two", "completed")]
        assert (await waiting.answer())["turn"] == retried
        ended = [event.body["turn"] for event in here.two.events if event.body["type"] == "turn/ended"]
        assert [(turn["number"], turn["status"]) for turn in ended] == [
            (1, "interrupted"),
            (3, "completed"),
            (4, "completed"),
        ]
