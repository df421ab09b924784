"""Agent: the documents' own snippets, on the project's daemon and on a store in this process; and wrong uses."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import agentd
from agentd import Agent, FileStore, SessionManager, errors
from agentd.api import ChatSession, SessionClosed, TurnFailed
from tests.api.support import machine
from tests.api.test_inprocess import Echo
from tests.support.home import make_home
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import OVERLOADED, Reply, Text, Wait, say
from tests.support.scenario import conversation

pytestmark = pytest.mark.anyio


async def test_creating_and_using_sessions() -> None:
    async with machine([say("Hi."), say("Hello.")]) as (home, api):
        agent = Agent(llm="claude-haiku-4-5")
        assert agent.load_default_tools() == []
        assert await agent.chat("Hello", session_id="default") == "Hi."
        assert await agent.chat("Hello", session_id="my_project") == "Hello."
        assert {request.body["model"] for request in api.requests} == {"claude-haiku-4-5"}
        sm = SessionManager()
        session = agent.get_session("my_project")
        sm.save_session("my_project", session.messages)
        messages = sm.load_session("my_project")
        assert messages == [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."}]
        session.messages = messages
        assert (session.session_id, session.metadata) == ("my_project", {})
        assert datetime.now() - session.created_at < timedelta(minutes=5)
        assert session.created_at <= session.last_activity
        async with agentd.connect(home.root) as client:
            assert {seen.name for seen in (await client.sessions()).sessions} == {"default", "my_project"}


async def test_multi_session_management() -> None:
    sessions = ["project_a", "project_b", "research"]
    replies = [say(f"{name} {n}") for n in (1, 2) for name in sessions]
    async with machine(replies) as (_, api):
        for _run in (1, 2):
            agent = Agent()
            sm = SessionManager()
            for session_id in sessions:
                if sm.session_exists(session_id):
                    messages = sm.load_session(session_id)
                    assert messages is not None
                    session = agent.get_session(session_id)
                    session.messages = messages
                await agent.chat("Status update?", session_id=session_id)
                session = agent.get_session(session_id)
                sm.save_session(session_id, session.messages)
        assert conversation(api.requests[-1].body) == [
            "user: Status update?",
            "assistant: research 1",
            "user: Status update?",
        ]
        assert {s["id"]: s["message_count"] for s in sm.list_sessions()} == dict.fromkeys(sessions, 4)


async def test_messages_may_be_changed_in_any_way() -> None:
    async with machine([say("1"), say("2"), say("3"), say("4")]) as (_, api):
        agent = Agent()
        session = agent.get_session("work")
        session.add_message({"role": "system", "content": "Answer with a number."})
        session.messages.append({"role": "user", "content": "Ready?"})
        session.messages.append({"role": "assistant", "content": "Yes."})
        session.metadata["topic"] = "numbers"
        await agent.chat("One", "work")
        assert conversation(api.requests[0].body) == ["user: Ready?", "assistant: Yes.", "user: One"]
        assert "Answer with a number." in str(api.requests[0].body["system"])
        held = session.messages
        assert len(held) == 5
        session.clear_history(keep_system=True)
        assert [message["role"] for message in session.messages] == ["system"]
        await agent.chat("Two", "work")
        assert conversation(api.requests[1].body) == ["user: Two"]
        session.clear_history(keep_system=False)
        await agent.chat("Three", "work")
        assert "Answer with a number." not in str(api.requests[2].body["system"])
        session.messages = session.messages[-1:]
        await agent.chat("Four", "work")
        assert conversation(api.requests[3].body)[-2:] == ["assistant: 3", "user: Four"]
        assert Agent().get_session("work").metadata == {"topic": "numbers"}
        assert Agent().get_session("work").messages == session.messages


async def test_what_an_editor_said_meanwhile_is_seen() -> None:
    async with machine([say("1"), say("2"), say("3")]) as (home, _):
        agent = Agent()
        await agent.chat("One", "work")
        async with agentd.connect(home.root) as editor:
            assert [event async for event in editor.chat("Two", session="work")]
        session = agent.get_session("work")
        assert [message["content"] for message in session.messages] == ["One", "1", "Two", "2"]
        SessionManager().save_session("work", session.messages)
        await agent.chat("Three", "work")
        assert len(session.messages) == 6


async def test_chats_of_one_session_are_taken_in_turn_and_of_two_at_once() -> None:
    gate = Gate()
    script = [Reply((Text(("a", Wait(gate))),)), say("b"), say("c")]
    async with machine(script) as (_, api):
        agent = Agent()
        first = asyncio.ensure_future(agent.chat("One", "work"))
        await api.wait_for_request()
        assert await agent.chat("Aside", "other") == "b"
        second = asyncio.ensure_future(agent.chat("Two", "work"))
        gate.open()
        assert (await first, await second) == ("a", "c")
        assert len(agent.get_session("work").messages) == 4


async def test_a_cancelled_chat_interrupts_its_turn() -> None:
    gate = Gate()
    async with machine([Reply((Text(("one ", Wait(gate), "two")),)), say("on")]) as (_, api):
        agent = Agent()
        chat = asyncio.ensure_future(agent.chat("Hi", "work"))
        await api.wait_for_request()
        chat.cancel()
        with pytest.raises(asyncio.CancelledError):
            await chat
        await api.wait_disconnected()
        gate.open()
        assert await agent.chat("Go", "work") == "on"


async def test_a_failed_turn_is_told_and_kept() -> None:
    async with machine([OVERLOADED, say("Better.")], retries=0):
        agent = Agent()
        with pytest.raises(TurnFailed):
            await agent.chat("Hi", "work")
        assert agent.get_session("work").messages == [{"role": "user", "content": "Hi"}]
        assert await agent.chat("Again", "work") == "Better."


async def test_a_model_and_a_store_of_ones_own_need_no_daemon(tmp_path: Path) -> None:
    with make_home() as home:
        store = FileStore(tmp_path / "store", str(home.root))
        async with Agent(Echo(), root=home.root, store=store) as agent:
            assert await agent.chat("Hello") == "You said: Hello"
            session = agent.get_session()
            assert session.messages[-1]["content"] == "You said: Hello"
            assert agent.get_session("none").messages == []
        with pytest.raises(SessionClosed):
            await agent.chat("Hello")
        again = Agent(Echo(), root=home.root, store=FileStore(tmp_path / "store", str(home.root)))
        assert again.get_session().messages == session.messages
        await again.close()


async def test_a_manager_is_saved_to_after_each_chat(tmp_path: Path) -> None:
    manager = SessionManager(tmp_path)
    with make_home() as home:
        async with Agent(Echo(), root=home.root, session_manager=manager) as agent:
            await agent.chat("Hello", "work")
        saved = manager.load_session("work")
        assert saved is not None
        assert [message["role"] for message in saved] == ["user", "assistant"]
        async with Agent(Echo(), root=home.root, session_manager=manager) as later:
            assert len(later.get_session("work").messages) == 2
            await later.chat("More", "work")
            assert len(manager.load_session("work") or ()) == 4


async def test_wrong_uses() -> None:
    with pytest.raises(errors.InvalidParams, match="'ollama' is a provider"):
        Agent(llm="ollama")
    session = ChatSession("x")
    with pytest.raises(errors.InvalidParams, match=r"messages\.0\.role"):
        session.add_message({"role": "robot", "content": "x"})
    assert session.messages == []


def test_get_session_works_without_a_loop() -> None:
    with make_home() as home:
        agent = Agent(Echo(), root=home.root)
        assert agent.get_session("a").messages == []
        assert asyncio.run(agent.chat("Hi", "a")) == "You said: Hi"
        assert len(agent.get_session("a").messages) == 2
        asyncio.run(agent.close())
