"""Late attach and interrupt: nothing streamed is missed, doubled or lost, whenever somebody comes or stops it."""

import asyncio
from functools import partial

import pytest

from tests.support.daemon import Daemon, daemon_of
from tests.support.editor import LIMIT, Editor
from tests.support.home import KEY, make_home
from tests.support.messages_api import Gate, MessagesApi, Reply, Text, Thinking, Wait
from tests.support.screen import ShownSession

pytestmark = pytest.mark.anyio

POINTS = 30
STOPS = 20


async def attached(daemon: Daemon, api: MessagesApi, name: str, root: str) -> Editor:
    pipe = await daemon.dial({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url})
    return await Editor.attach(pipe, root, name=name)


def gated(points: int) -> tuple[Reply, list[Gate], list[str]]:
    """A reply of thinking and three texts that stops at so many points, and the model's text up to each of them."""
    gates = [Gate() for _ in range(points)]
    pieces = [f"{number}·ünï {'x' * (number % 7)}\n" for number in range(points)]
    each = [part for piece, gate in zip(pieces, gates, strict=True) for part in (piece, Wait(gate))]
    third = 2 * (points // 3)
    parts = (Thinking(("Let me ", "see.")), Text(tuple(each[:third])), Text(tuple(each[third : 2 * third])))
    reply = Reply((*parts, Text((*each[2 * third :], "end"))))
    return reply, gates, ["".join(pieces[: number + 1]) for number in range(points)]


def ended(shown: ShownSession) -> bool | None:
    return shown.turns[1].status == "completed" or None


async def test_who_attaches_at_any_of_30_points_has_every_character_once() -> None:
    reply, gates, shown = gated(POINTS)
    async with MessagesApi([reply]) as api:
        with make_home() as home:
            async with daemon_of("socket", home) as daemon:
                first = await attached(daemon, api, "first", str(home.root))
                session = (await first.request("agentd/session/new"))["session"]["id"]
                chat = first.begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
                editors = [first]
                for number, gate in enumerate(gates):
                    await asyncio.wait_for(gate.reached.wait(), LIMIT)
                    editor = await attached(daemon, api, f"late {number}", str(home.root))
                    if number % 2:
                        # At every other point the daemon is known to have read all that was sent.
                        await first.shows(session, 1, shown[number])
                    await editor.request("agentd/session/resume", {"sessionId": session})
                    if number % 2:
                        assert editor.screen.sessions[session].text(1) == shown[number]
                    editors.append(editor)
                    gate.open()
                whole = (await chat.answer())["turn"]
                assert whole["status"] == "completed"
                for editor in editors:
                    await editor.event("turn/ended", session=session)
                    assert editor.screen.sessions[session].text(1) == shown[-1] + "end"
                    await editor.close()


async def test_who_attaches_while_it_streams_at_full_speed_has_every_character_once() -> None:
    pieces = tuple(f"{number} " for number in range(6000))
    gate = Gate()
    async with MessagesApi([Reply((Text((*pieces, Wait(gate), "end")),), split=4096)]) as api:
        with make_home() as home:
            async with daemon_of("socket", home) as daemon:
                editors = [await attached(daemon, api, f"{number}", str(home.root)) for number in range(POINTS)]
                session = (await editors[0].request("agentd/session/new"))["session"]["id"]
                chat = editors[0].begin("agentd/chat", {"sessionId": session, "prompt": "Hi"})
                await editors[0].shows(session, 1, "0 ")
                # One resumes after the other, as fast as the answers come, while the reply streams.
                for editor in editors[1:]:
                    resumed = await editor.request("agentd/session/resume", {"sessionId": session})
                    assert "running" in resumed
                gate.open()
                await chat.answer()
                for editor in editors:
                    shown = editor.screen.sessions[session]
                    await editor.until(partial(ended, shown), "the end")
                    assert shown.text(1) == "".join(pieces) + "end"
                    await editor.close()


async def test_an_interrupt_at_any_of_20_points_loses_nothing_that_was_shown() -> None:
    replies = [gated(STOPS) for _ in range(STOPS)]
    async with MessagesApi([reply for reply, _, _ in replies]) as api:
        with make_home() as home:
            async with daemon_of("socket", home) as daemon:
                one = await attached(daemon, api, "one", str(home.root))
                two = await attached(daemon, api, "two", str(home.root))
                session = (await one.request("agentd/session/new"))["session"]["id"]
                await two.request("agentd/session/resume", {"sessionId": session})
                for number, (_, gates, shown) in enumerate(replies, 1):
                    chat = one.begin("agentd/chat", {"sessionId": session, "prompt": f"prompt {number}"})
                    for gate in gates[: number - 1]:
                        gate.open()
                    await asyncio.wait_for(gates[number - 1].reached.wait(), LIMIT)
                    if number % 2:
                        await two.shows(session, number, shown[number - 1])
                    stopped = (await two.request("agentd/turn/interrupt", {"sessionId": session}))["turn"]
                    assert stopped["status"] == "interrupted"
                    said = "".join(item["text"] for item in stopped["items"] if item["kind"] == "text")
                    assert shown[number - 1].startswith(said)
                    if number % 2:
                        assert said == shown[number - 1]
                    # That what was shown is what is kept, is checked by the editors' screens.
                    assert (await chat.answer())["turn"] == stopped
                reader = await attached(daemon, api, "reader", str(home.root))
                await reader.request("agentd/session/resume", {"sessionId": session})
                for editor in (one, two):
                    assert editor.screen.sessions[session].lines() == reader.screen.sessions[session].lines()
                for editor in (one, two, reader):
                    await editor.close()
