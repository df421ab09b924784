"""``agentd/session/messages`` and ``/setMessages``: a conversation read and set as messages of role and content."""

from typing import Any

import pytest

import agentd
from agentd import errors
from agentd.protocol import ChatParams, TurnEvent
from tests.api.support import machine
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Reply, Text, Wait, say
from tests.support.scenario import conversation

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "Hello"}
REPLY = {"role": "assistant", "content": "Hi!"}
SYSTEM = {"role": "system", "content": "Answer in French."}
MORE = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "Nothing."}]


def transcript(home: Any) -> bytes:
    (path,) = home.sessions().glob("*/transcript.jsonl")
    return bytes(path.read_bytes())


async def test_messages_that_were_set_are_read_again_and_are_what_the_model_is_told() -> None:
    async with machine([say("Bien.")]) as (home, api), agentd.connect(home.root) as client:
        saved = [SYSTEM, USER, REPLY]
        session = await client.set_messages(saved, session_name="mine", create=True, tags=["a"], metadata={"k": 1})
        assert (session.name, session.message_count, session.tags, session.metadata) == ("mine", 3, ("a",), {"k": 1})
        assert list((await client.messages("mine")).messages) == saved
        await client.send(ChatParams(session_id="mine", prompt="How are you?"))
        body = api.requests[-1].body
        assert conversation(body) == ["user: Hello", "assistant: Hi!", "user: How are you?"]
        assert "Answer in French." in str(body["system"])
        told = (await client.messages("mine")).messages
        assert told[3:] == ({"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Bien."})
        shown = (await client.show("mine")).session
        assert (shown.message_count, shown.turn_count, shown.first_message) == (5, 2, "Hello")


async def test_only_what_differs_is_written() -> None:
    async with machine() as (home, _), agentd.connect(home.root) as client:
        await client.set_messages([USER, REPLY], session_name="mine", create=True)
        first = transcript(home)
        await client.set_messages([USER, REPLY], session_name="mine", create=True)
        assert transcript(home) == first
        await client.set_messages([USER, REPLY, *MORE], session_name="mine")
        added = transcript(home)
        assert added.startswith(first)
        assert b"Hello" not in added[len(first) :]
        await client.set_messages(MORE, session_name="mine")
        kept = transcript(home)
        assert b'"mark":"clear"' in kept[len(added) :]
        assert b"Nothing." not in kept[len(added) :]
        assert list((await client.messages("mine")).messages) == MORE
        assert [turn.number for turn in (await client.resume("mine")).turns] == [1, 2]


async def test_another_system_message_or_none() -> None:
    async with machine() as (home, _), agentd.connect(home.root) as client:
        await client.set_messages([SYSTEM, USER, REPLY], session_name="mine", create=True)
        other = {"role": "system", "content": "Be brief."}
        for messages in ([other, USER, REPLY], [USER, REPLY], [SYSTEM, *MORE], [SYSTEM], [], [USER]):
            await client.set_messages(messages, session_name="mine")
            assert list((await client.messages("mine")).messages) == messages


async def test_who_listens_sees_the_new_turns() -> None:
    async with machine() as (home, _), agentd.connect(home.root) as client, agentd.connect(home.root) as editor:
        await client.set_messages([USER, REPLY], session_name="mine", create=True)
        await editor.resume("mine")
        events = editor.events()
        await client.set_messages([USER, REPLY, *MORE], session_name="mine")
        seen = [(await anext(events)).event for _ in range(2)]
        (turn,) = [event.turn for event in seen if isinstance(event, TurnEvent)]
        assert (turn.number, turn.status, turn.messages) == (2, "completed", 4)


async def test_wrong_uses_are_named_and_change_nothing() -> None:
    gate = Gate()
    script = [Reply((Text(("one ", Wait(gate), "two")),))]
    async with machine(script) as (home, _), agentd.connect(home.root) as client:
        with pytest.raises(errors.SessionNotFound):
            await client.set_messages([USER], session_name="mine")
        with pytest.raises(errors.InvalidParams, match="a sessionId or a sessionName is needed"):
            await client.set_messages([USER])
        with pytest.raises(errors.InvalidName):
            await client.set_messages([USER], session_name="x" * 257, create=True)
        wrong: list[dict[str, Any]] = [USER, {"role": "robot", "content": "x"}]
        with pytest.raises(errors.InvalidParams, match=r"messages\.1\.role: must be one of"):
            await client.set_messages(wrong, session_name="mine", create=True)
        assert (await client.sessions()).total == 0
        session = await client.set_messages([USER, REPLY], session_name="mine", create=True)
        with pytest.raises(errors.SessionNotFound):
            await client.set_messages([USER], session_name=session.id[:8])
        await client.archive("mine")
        with pytest.raises(errors.SessionArchived):
            await client.set_messages([USER], session_name="mine")
        assert list((await client.messages("mine")).messages) == [USER, REPLY]
        await client.restore("mine")
        stream = client.chat("Hi", session="mine")
        assert (await anext(stream)).type == "turn/started"
        with pytest.raises(errors.SessionBusy):
            await client.set_messages([USER], session_name="mine")
        gate.open()
        assert [event async for event in stream]
        assert (await client.messages("mine")).messages[-1] == {"role": "assistant", "content": "one two"}


async def test_details_are_those_of_the_turns() -> None:
    async with machine([say("Hi!")]) as (home, _), agentd.connect(home.root) as client:
        answer = await client.send(ChatParams(prompt="Hello"))
        told = (await client.messages(answer.session.id, details=True)).messages
        assert told[0]["timestamp"] == answer.turn.started
        assert told[1]["timestamp"] == answer.turn.ended
        assert told[1]["content"] == [{"type": "text", "text": "Hi!"}]
        assert told[1]["model"] == answer.turn.model
        assert told[1]["usage"]["total_tokens"] > 0
        await client.set_messages(list(told), session_id=answer.session.id)
        assert list((await client.messages(answer.session.id)).messages) == [USER, REPLY]
