"""Slow and greedy clients cost bounded memory, and nobody else's time."""

import asyncio

import pytest

from agentd.server.outbox import DROP_ABOVE
from agentd.server.wire import ANSWERED_AT_ONCE
from tests.server.client import Client
from tests.server.conftest import Edge
from tests.server.tiny import delta

pytestmark = pytest.mark.anyio


async def test_who_never_reads_costs_bounded_memory_and_nobody_else_anything(edge: Edge) -> None:
    slow, quick = await Client.initialized(edge.path), await Client.initialized(edge.path)
    first, second = edge.inside.peers.values()
    slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
    got = 0
    for number in range(300):
        event = delta(number, "x" * 100_000, item=f"1.{number}")
        first.publish(event)
        second.publish(event)
        got += len((await quick.next())["params"]["event"]["text"])
        assert first.waiting < DROP_ABOVE + 1_000_000
    assert got == 30_000_000
    await quick.alive()
    # It reads again: what was kept, then once that it must resume anew, then what comes.
    slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
    kinds = []
    while (came := (await slow.next())["params"]["event"])["type"] != "notice":
        kinds.append(came["type"])
    assert came["kind"] == "resync"
    assert len(kinds) < 300
    first.publish(delta(999, "and on"))
    assert (await slow.next())["params"]["event"]["text"] == "and on"
    await slow.alive()


async def test_who_asks_and_never_reads_is_not_read_from(edge: Edge) -> None:
    client, quick = await Client.initialized(edge.path), await Client.initialized(edge.path)
    first, _ = edge.inside.peers.values()
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    # Each answer is 1 MB; all of them together would be 200 MB.
    numbers = [client.ask("agentd/session/turns", {"sessionId": "s", "limit": 1000}) for _ in range(200)]
    for _ in range(20):
        await quick.alive()
    assert first.waiting < 64_000_000
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for number in numbers:
        assert len((await client.answer_to(number))["result"]["name"]) == 1_000_000


async def test_answers_that_are_made_together_are_bounded_too(edge: Edge) -> None:
    client, quick = await Client.initialized(edge.path), await Client.initialized(edge.path)
    first, _ = edge.inside.peers.values()
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    # All are asked, and served as far as may be, before the first is answered.
    numbers = [client.ask("agentd/session/search", {"query": "q"}) for _ in range(250)]
    chat = client.ask("agentd/chat", {"prompt": "takes no place from them"})
    await edge.inside.chats.get()
    assert edge.inside.begun == ANSWERED_AT_ONCE
    edge.inside.paper.set()
    for _ in range(30):
        await quick.alive()
    assert edge.inside.begun <= 2 * ANSWERED_AT_ONCE + 4
    assert first.waiting < (2 * ANSWERED_AT_ONCE + 5) * 1_000_000
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for number in numbers:
        assert len((await client.answer_to(number))["result"]["name"]) == 1_000_000
    client.notify("$/cancelRequest", {"id": chat})
    error = (await client.answer_to(chat))["error"]
    assert (error["code"], error["data"]["kind"]) == (-32800, "cancelled")


async def test_who_sends_much_gives_others_their_turn(edge: Edge) -> None:
    greedy, quick = await Client.initialized(edge.path), await Client.initialized(edge.path)
    number = 0
    for _ in range(3000):
        number = greedy.ask("agentd/session/name", {"sessionId": "s", "name": "n"})
    answered = asyncio.create_task(drained(greedy, number))
    turns = 0
    while not answered.done():
        await quick.alive()
        turns += 1
    # 3,000 messages are served in at least 188 steps of the loop; a request and its answer take a few.
    assert turns > 10


async def drained(client: Client, last: int) -> None:
    while (await client.next())["id"] != last:
        pass


async def test_what_waits_is_flushed_when_the_daemon_ends(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    (peer,) = edge.inside.peers.values()
    for number in range(20):
        peer.publish(delta(number, "x" * 100_000, item=f"1.{number}"))
    closing = asyncio.create_task(edge.daemon.close())
    for _ in range(20):
        assert (await client.next())["params"]["event"]["type"] == "item/delta"
    assert await client.end() == b""
    await closing
    assert edge.inside.closed


async def test_what_is_being_served_when_the_daemon_ends_is_told_that_nobody_cancelled(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    client.ask("agentd/chat", {"prompt": "p"})
    await edge.inside.chats.get()
    await edge.daemon.close()
    assert await edge.inside.cancelled.get() is True
