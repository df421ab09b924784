"""AgentSession on the project's daemon: the documents' own example, children, displays, cancelling, and wrong uses."""

import asyncio
import os
from typing import Any

import pytest

import agentd
from agentd import AgentSession, errors
from agentd.api import SessionClosed, TurnFailed
from agentd.protocol import SessionEvent
from tests.api.support import machine
from tests.support.home import KEY
from tests.support.messages_api import MessagesApi
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import OVERLOADED, Answer, Reply, Text, Thinking, Wait, say

pytestmark = pytest.mark.anyio

CONFIG = {
    "session": {"orchestrator": "loop-basic", "context": "context-simple"},
    "providers": [
        {
            "module": "provider-anthropic",
            "source": "git+https://example.test/provider-anthropic@main",
            "config": {"model": "claude-sonnet-4-5"},
        }
    ],
    "tools": [],
}


class Display:
    """What a program shows of a reply."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.notices: list[tuple[str, str, str]] = []
        self.shown = asyncio.Event()

    def show_text(self, text: str) -> None:
        self.texts.append(text)
        self.shown.set()

    async def show_message(self, message: str, level: str, source: str) -> None:
        self.notices.append((level, source, message))
        self.shown.set()


def held(gate: Gate) -> Reply:
    return Reply((Text(("one ", Wait(gate), "two")),))


async def test_the_documents_example() -> None:
    async with machine([say("2 + 2 is ", "4."), say("Still 4.")]) as (_, api):
        async with AgentSession(config=CONFIG) as session:
            response = await session.execute("What is 2 + 2?")
            assert response == "2 + 2 is 4."
            assert session.session.message_count == 2
            assert await session.execute("Sure?") == "Still 4."
            asked = session.session_id
        assert [request.body["model"] for request in api.requests] == ["claude-sonnet-4-5"] * 2
        async with AgentSession(session_id=asked[:8]) as again:
            assert again.session_id == asked
            assert [message["content"] for message in await again.messages()][1::2] == ["2 + 2 is 4.", "Still 4."]


async def test_a_name_makes_a_session_that_others_find() -> None:
    async with machine([say("Yes.")]) as (home, _):
        async with AgentSession(session_id="my_project") as session:
            await session.execute("Ready?")
        async with agentd.connect(home.root) as client:
            (listed,) = (await client.sessions()).sessions
            assert (listed.name, listed.message_count) == ("my_project", 2)
            assert listed.working_dir == str(home.root)


async def test_a_display_is_shown_the_reply_as_it_comes_and_notices() -> None:
    display = Display()
    script: list[Answer] = [OVERLOADED, Reply((Thinking("hm"), Text(("Hello", " there"))))]
    async with machine(script), AgentSession(display_system=display) as session:
        assert await session.execute("Hi") == "Hello there"
    assert "".join(display.texts) == "Hello there"
    ((level, source, message),) = display.notices
    assert (level, source) == ("warning", "retry")
    assert "Asking again" in message


async def test_a_display_that_fails_costs_the_display(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Display):
        def show_text(self, text: str) -> None:
            raise ValueError("no terminal")

    async with machine([say("Hello", " there")]), AgentSession(display_system=Broken()) as session:
        assert await session.execute("Hi") == "Hello there"
    assert "The display failed" in caplog.text


async def test_a_child_session_is_told_as_a_fork_and_its_events_name_its_parent() -> None:
    async with (
        machine([say("parent"), say("child"), say("again")]) as (home, _),
        agentd.connect(home.root) as editor,
        AgentSession(CONFIG) as parent,
    ):
        await parent.execute("Begin")
        events = editor.events()
        secret = {"providers": [{"module": "provider-anthropic", "config": {"api_key": "test-key"}}]}
        async with AgentSession(secret, parent_id=parent.session_id) as child:
            own = child.events()
            assert child.parent_id == parent.session_id
            assert child.session_id.startswith(f"{parent.session_id}-agent-")
            assert await child.execute("Look into it") == "child"
            told = await anext(own)
            assert (told.session_id, told.parent_id) == (child.session_id, parent.session_id)
        forked = (await anext(events)).event
        assert isinstance(forked, SessionEvent)
        assert (forked.type, forked.session.parent_id) == ("session/forked", parent.session_id)
        assert (await anext(events)).parent_id == parent.session_id
        shown = (await editor.show(child.session_id)).session
        assert shown.trace_id == parent.session_id
        assert shown.model == "claude-sonnet-4-5"
        assert "test-key" not in shown.model_dump_json()
        assert [one.id for one in (await editor.show(parent.session_id)).children] == [child.session_id]
        async with AgentSession(session_id=child.session_id) as resumed:
            assert await resumed.execute("More") == "again"


async def test_a_key_and_an_endpoint_of_ones_own_go_with_the_prompts() -> None:
    async with machine() as (_, api), MessagesApi([say("Mine.")]) as other:
        os.environ["ANTHROPIC_API_KEY"] = "another-key"
        config = {"module": "provider-anthropic", "config": {"base_url": other.url, "api_key": KEY}}
        async with AgentSession({"providers": [config]}) as session:
            assert await session.execute("Whose?") == "Mine."
        assert KEY in str(other.requests[0].headers)
        assert api.requests == []


async def test_a_cancelled_execute_interrupts_the_turn_and_keeps_what_came() -> None:
    gate, display = Gate(), Display()
    async with machine([held(gate), say("Go on.")]) as (_, api), AgentSession(display_system=display) as session:
        executing = asyncio.ensure_future(session.execute("Hi"))
        await api.wait_for_request()
        await display.shown.wait()
        executing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await executing
        assert (await session.messages())[-1] == {"role": "assistant", "content": "one "}
        await api.wait_disconnected()
        gate.open()
        assert await session.execute("And now?") == "Go on."


async def test_one_execute_at_a_time() -> None:
    gate = Gate()
    async with machine([held(gate), say("three")]) as (_, api), AgentSession() as session:
        first = asyncio.ensure_future(session.execute("Hi"))
        await api.wait_for_request()
        with pytest.raises(errors.SessionBusy, match="await that first"):
            await session.execute("Hi again")
        display = Display()
        async with AgentSession(session_id=session.session_id, display_system=display) as second:
            waiting = asyncio.ensure_future(second.execute("After you"))
            await display.shown.wait()
            assert display.notices[0][1] == "queue"
            gate.open()
            assert await first == "one two"
            assert await waiting == "three"


async def test_a_prompt_that_waits_behind_an_interrupted_turn_is_not_kept() -> None:
    gate = Gate()
    async with machine([held(gate)]) as (home, api), AgentSession() as session:
        first = asyncio.ensure_future(session.execute("Hi"))
        await api.wait_for_request()
        async with AgentSession(session_id=session.session_id) as second, agentd.connect(home.root) as editor:
            resumed = await editor.resume(session.session_id)
            assert resumed.running is not None
            events = editor.events()
            waiting = asyncio.ensure_future(second.execute("After you"))
            while (await anext(events)).event.type != "turn/queued":
                pass
            await editor.interrupt(session.session_id)
            with pytest.raises(TurnFailed) as failed:
                await first
            assert failed.value.problem.kind == "interrupted"
            with pytest.raises(errors.SessionBusy, match="was not kept"):
                await waiting
        assert len(api.requests) == 1


async def test_a_failed_turn_says_why_and_the_session_goes_on() -> None:
    async with machine([OVERLOADED, say("Better.")], retries=0), AgentSession() as session:
        with pytest.raises(TurnFailed) as failed:
            await session.execute("Hi")
        assert failed.value.problem.kind == "modelFailed"
        assert failed.value.retryable
        assert failed.value.turn.items[0].text == "Hi"
        assert session.session.turn_count == 1
        assert await session.execute("Again") == "Better."


async def test_wrong_uses() -> None:
    async with machine([say("Yes.")]) as (home, _):
        session = AgentSession()
        with pytest.raises(SessionClosed, match="initialize"):
            await session.execute("Hi")
        with pytest.raises(SessionClosed, match="initialize"):
            _ = session.session_id
        async with session:
            with pytest.raises(errors.InvalidParams, match="prompt: must not be empty"):
                await session.execute("  ")
            await session.initialize()
            assert await session.execute("Hi") == "Yes."
            async with agentd.connect(home.root) as client:
                await client.archive(session.session_id)
            with pytest.raises(errors.SessionArchived, match="restore it first"):
                await session.execute("Hi")
        await session.cleanup()
        with pytest.raises(SessionClosed, match="was cleaned up"):
            await session.execute("Hi")
        with pytest.raises(SessionClosed, match="was cleaned up"):
            await session.initialize()
        unknown = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(errors.SessionNotFound, match=f"Session '{unknown}' not found"):
            await AgentSession(session_id=unknown).initialize()
        with pytest.raises(errors.SessionNotFound):
            await AgentSession(parent_id=unknown).initialize()
        with pytest.raises(errors.InvalidParams, match=r"working_dir: .* is not a directory"):
            AgentSession(working_dir=home.base / "nowhere")


async def test_create_session_is_open_already() -> None:
    async with machine([say("Hello.")]) as (home, _):
        home.write("web/index.html", "<p>")
        home.write(".git/HEAD", "ref: refs/heads/main")
        session = await agentd.create_session(working_dir=home.root / "web", model="claude-haiku-4-5")
        try:
            assert await session.execute("Hi") == "Hello."
            assert session.session.working_dir == str(home.root / "web")
            assert session.session.model == "claude-haiku-4-5"
        finally:
            await session.cleanup()


async def test_a_daemon_that_ended_meanwhile_is_started_again() -> None:
    async with machine([say("One."), say("Two.")]) as (home, _), AgentSession() as session:
        assert await session.execute("Hi") == "One."
        async with agentd.connect(home.root) as client:
            await client.shutdown()
        assert await session.execute("Still there?") == "Two."
        assert len(await session.messages()) == 4


async def test_an_agents_configuration_is_laid_over_its_parents() -> None:
    config: dict[str, Any] = {"session": {"profile": "explorer"}, "agents": {"explorer": {"mode": "plan"}}}
    with pytest.raises(errors.InvalidParams, match="needs a parent_id"):
        AgentSession(config)
    async with machine() as (home, _), agentd.connect(home.root) as client:
        parent = await client.new("parent", model="claude-haiku-4-5")
        async with AgentSession(config, parent_id=parent.id) as child:
            assert child.session_id.startswith(f"{parent.id}-explorer-")
            shown = (await client.show(child.session_id)).session
        assert (shown.agent_name, shown.mode, shown.model) == ("explorer", "plan", "claude-haiku-4-5")


async def test_limits_of_a_session_of_the_daemon_are_the_users() -> None:
    plan: dict[str, Any] = {"providers": [{"module": "provider-anthropic", "config": {"max_tokens": 5}}]}
    async with machine():
        with pytest.raises(errors.InvalidParams, match=r"config\.max_tokens: the daemon's sessions"):
            await AgentSession(plan).initialize()
