"""The Python client, against the real daemon; and its connection, against a peer that says what a test wants."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

import agentd
from agentd import errors
from agentd.cli.failing import HINTS
from agentd.client import ConnectionLost, RequestFailed
from agentd.client.failures import failure_of
from agentd.client.link import Link
from agentd.client.typed import Client
from agentd.protocol import METHODS, ChatParams, Empty, Event, ItemDelta, ListResult, StatusResult, TurnEvent
from tests.support.daemon import end_process, environment
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import MessagesApi
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Reply, Script, Text, Wait, say
from tests.support.pipe import Pipe

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def machine(script: Script = ()) -> AsyncIterator[tuple[Home, MessagesApi]]:
    """A home and a model in this process's environment; the daemon that a client starts is stopped at the end."""
    async with MessagesApi(script) as api:
        with make_home() as home, _at_home(home, api.url):
            try:
                yield home, api
            finally:
                client = agentd.connect(home.root)
                async with client:
                    pid = (await client.status()).pid
                await end_process(pid, signal.SIGTERM, str(home.root))


@contextmanager
def _at_home(home: Home, url: str) -> Iterator[None]:
    with environment(home.environment(ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url)):
        yield


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ItemDelta))


async def test_a_chat_streams_typed_events_until_its_turn_ends() -> None:
    async with machine([say("Hello", " there")]) as (home, _), agentd.connect(home.root) as client:
        stream = client.chat("Hi")
        events = [event async for event in stream]
        assert isinstance(events[0], TurnEvent)
        assert events[0].type == "turn/started"
        assert isinstance(events[-1], TurnEvent)
        assert events[-1].type == "turn/ended"
        assert text_of(events) == "Hello there"
        assert stream.turn is not None
        assert stream.turn.status == "completed"
        assert stream.session is not None
        assert stream.session.message_count == 2


async def test_every_method_has_a_helper() -> None:
    async with machine([say("one"), say("two")]) as (home, _), agentd.connect(home.root) as client:
        assert client.root == str(home.root)
        assert client.server["protocol"] == 1
        assert set(client.server["methods"]) >= {method.name for method in METHODS}
        session = await client.new("work", mode="plan")
        assert [event async for event in client.chat("Hi", session="work")]
        assert (await client.send(ChatParams(session_id=session.id, prompt="Again"))).turn.number == 2
        assert (await client.resume("work", limit=1)).before is not None
        assert len((await client.turns("work")).turns) == 2
        assert [found.name for found in (await client.sessions(query="work")).sessions] == ["work"]
        assert (await client.show("work")).stats.turns == 2
        assert (await client.fork("work", 1, "copy")).turn_count == 1
        assert (await client.rename("copy", "other")).name == "other"
        assert (await client.update("other", mode="edit")).mode == "edit"
        assert (await client.archive("other")).status == "archived"
        assert (await client.restore("other")).status == "active"
        assert (await client.clear("work", keep=1)).id == session.id
        await client.leave("work")
        assert (await client.models()).default
        assert (await client.status()).connections >= 1
        with pytest.raises(errors.InvalidParams):
            await client.set_credentials("nobody", "x")


async def test_leaving_a_stream_detaches_and_does_not_interrupt() -> None:
    gate = Gate()
    async with machine([Reply((Text(("one ", Wait(gate), "two")),))]) as (home, _), agentd.connect(home.root) as client:
        stream = client.chat("Hi")
        async for event in stream:
            if isinstance(event, ItemDelta):
                break
        assert stream.place is not None
        result, rest = await client.attach(stream.place[0])
        assert result.running is not None
        assert rest is not None
        gate.open()
        streamed = "".join(item.text or "" for item in result.running.items if item.kind == "text")
        assert streamed + text_of([event async for event in rest]) == "one two"
        assert rest.turn is not None
        assert rest.turn.status == "completed"


async def test_an_interrupt_ends_the_stream() -> None:
    gate = Gate()
    async with machine([Reply((Text(("one ", Wait(gate), "two")),))]) as (home, _), agentd.connect(home.root) as client:
        stream = client.chat("Hi")
        async for event in stream:
            if isinstance(event, ItemDelta):
                assert stream.place is not None
                await client.interrupt(*stream.place)
        assert stream.turn is not None
        assert stream.turn.status == "interrupted"


async def test_a_queued_prompt_streams_its_own_turn_only() -> None:
    gate = Gate()
    script = [Reply((Text(("first ", Wait(gate), "reply")),)), say("second reply")]
    async with machine(script) as (home, _), agentd.connect(home.root) as client:
        await client.new("work")
        await client.send(ChatParams(session_id="work", prompt="One", background=True))
        stream = client.chat("Two", session="work")
        events = []
        async for event in stream:
            events.append(event)
            gate.open()
        assert text_of(events) == "second reply"
        assert isinstance(events[0], TurnEvent)
        assert events[0].type == "turn/queued"


async def test_retry_streams_the_new_turn() -> None:
    async with machine([Reply(before=()), say("Here.")]) as (home, _), agentd.connect(home.root) as client:
        first = client.chat("Hi")
        assert [event async for event in first]
        assert first.place is not None
        assert first.turn is not None
        if first.turn.status == "failed":
            assert text_of([event async for event in client.retry(first.place[0])]) == "Here."


async def test_the_same_ref_is_the_same_turn() -> None:
    async with machine([say("once")]) as (home, api), agentd.connect(home.root) as client:
        await client.new("work")
        first = client.chat("Hi", session="work", ref="mine")
        assert [event async for event in first]
        again = client.chat("Hi", session="work", ref="mine")
        events = [event async for event in again]
        assert isinstance(events[-1], TurnEvent)
        assert again.turn is not None
        assert again.turn.number == 1
        assert len(api.requests) == 1


async def test_errors_are_the_packages_own() -> None:
    async with machine() as (home, _), agentd.connect(home.root) as client:
        with pytest.raises(errors.SessionNotFound, match="Session 'abc123' not found") as not_found:
            await client.show("abc123")
        assert not_found.value.details == {"sessionId": "abc123"}
        with pytest.raises(errors.InvalidName):
            await client.new("x" * 257)
        with pytest.raises(errors.SessionNotFound):
            assert [event async for event in client.chat("Hi", session="abc123")]
        await client.new("work")
        await client.archive("work")
        with pytest.raises(errors.SessionArchived):
            assert [event async for event in client.chat("Hi", session="work")]


async def test_a_lost_connection_is_told_and_can_be_made_again() -> None:
    gate = Gate()
    async with machine([Reply((Text(("one ", Wait(gate), "two")),))]) as (home, _), agentd.connect(home.root) as client:
        everything = client.events()
        pid = (await client.status()).pid
        stream = client.chat("Hi")
        with pytest.raises(ConnectionLost, match="connection to the agentd daemon was lost"):
            async for event in stream:
                if isinstance(event, ItemDelta):
                    os.kill(pid, signal.SIGKILL)
        with pytest.raises(ConnectionLost):
            async for _ in everything:
                pass
        with pytest.raises(ConnectionLost):
            await client.status()
        assert not client.connected
        await client.reconnect()
        result = await client.resume()
        assert [turn.status for turn in result.turns] == ["interrupted"]
        assert [item.text for item in result.turns[0].items if item.kind == "text"] == ["one "]


async def test_events_of_every_client_reach_each() -> None:
    async with machine() as (home, _), agentd.connect(home.root) as one, agentd.connect(home.root) as other:
        events = one.events()
        await other.new("made elsewhere")
        async for params in events:
            if params.event.type == "session/created":
                break


async def test_a_root_that_is_none() -> None:
    with pytest.raises(errors.AgentdError, match="is not a directory"):
        async with agentd.connect("/nowhere/at/all"):
            pass


async def test_only_rows_of_the_table_are_asked() -> None:
    client = agentd.connect()
    with pytest.raises(TypeError):
        await client.request("agentd/status", Empty(), ListResult)
    with pytest.raises(ConnectionLost):
        await client.request("agentd/status", Empty(), StatusResult)


async def test_importing_the_client_is_light() -> None:
    heavy = ("lsprotocol", "pygls", "pydantic")
    code = f"import sys, agentd.client.dial; print(*[name for name in {heavy} if name in sys.modules])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out == b"\n"


# The connection -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def linked(say: Callable[[Pipe], Awaitable[None]], **options: Any) -> AsyncIterator[Link]:
    """A connection whose other side does this."""
    import socket

    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    pipe = Pipe(reader, writer)
    saying = asyncio.ensure_future(say(pipe))
    link = Link(*await asyncio.open_unix_connection(sock=ours), **options)
    try:
        yield link
        await saying
    finally:
        saying.cancel()
        await link.close()
        await pipe.close()


async def test_answers_are_matched_whatever_their_order() -> None:
    async def peer(pipe: Pipe) -> None:
        first, second = await pipe.read(), await pipe.read()
        pipe.write({"id": second["id"], "result": second["method"]})
        pipe.write({"id": first["id"], "result": first["method"]})

    async with linked(peer) as link:
        assert list(await asyncio.gather(link.request("a", {}), link.request("b", {}))) == ["a", "b"]


async def test_the_daemons_requests_are_answered() -> None:
    answers: list[dict[str, Any]] = []

    async def approve(params: dict[str, Any]) -> dict[str, Any]:
        return {"decision": "allow", "of": params["x"]}

    async def broken(_params: dict[str, Any]) -> None:
        raise ValueError("a mistake of the user's")

    async def peer(pipe: Pipe) -> None:
        for number, method in enumerate(("agentd/approve", "window/showMessageRequest", "agentd/save", "broken")):
            pipe.write({"id": number, "method": method, "params": {"x": 1}})
            answers.append(await pipe.read())

    async with linked(peer, handlers={"agentd/approve": approve, "broken": broken}):
        pass
    told = [answer["error"]["code"] if "error" in answer else answer["result"] for answer in answers]
    assert told == [{"decision": "allow", "of": 1}, None, -32601, -32603]


BROKEN = [b"Content-Length: 5\r\n\r\n{oops", b"Nonsense: 1\r\n\r\n", b"Content-Length: 99\r\n\r\n{}"]


@pytest.mark.parametrize("data", BROKEN)
async def test_what_is_no_message_ends_the_connection(data: bytes) -> None:
    async def peer(pipe: Pipe) -> None:
        await pipe.read()
        pipe.write_bytes(data)
        await pipe.close()

    async with linked(peer) as link:
        with pytest.raises(ConnectionLost):
            await link.request("a", {})
        await link.closed


async def test_every_failure_is_found_again_by_its_code() -> None:
    for kind in errors.FAILURES:
        data = {"kind": kind.kind, "retryable": True, "reason": "network", "candidates": ["a"], "place": "x"}
        failure = failure_of(json.loads(json.dumps({"code": kind.code, "message": "In words", "data": data})))
        assert type(failure) is kind
        assert (failure.message, str(failure), failure.retryable) == ("In words", "In words", True)
        assert failure.details == {"reason": "network", "candidates": ["a"], "place": "x"}
    strange = failure_of({"code": 4711, "message": "Something new"})
    assert isinstance(strange, RequestFailed)
    assert strange.message == "Something new"


async def test_the_hints_are_of_kinds_that_exist() -> None:
    kinds = {failure.kind for failure in errors.FAILURES}
    assert set(HINTS) <= kinds | {"connectionLost", "daemonUnavailable", "requestFailed"}


async def test_a_connection_is_made_by_the_client_only_when_entered() -> None:
    client = agentd.connect()
    assert isinstance(client, Client)
    assert not client.connected
    assert isinstance(client, agentd.Client)
