"""How connections to the provider live: shared and warm while all is well, closed at once when the reader leaves."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from agentd.config import Settings
from agentd.core.exchange import BlockDelta
from agentd.models.api import Model
from tests.models.asking import KEY, MODEL, Heard, MakeCatalog, ask, environment, listen
from tests.support.messages_api import Gate, MessagesApi, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio

LIMIT = 10.0


@pytest.fixture
def claude(make_catalog: MakeCatalog) -> Model:
    return make_catalog(Settings(stall_seconds=5)).find(MODEL)


class CountingApi(MessagesApi):
    """Counts the connections that it accepts."""

    accepted = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        super()._accept(reader, writer)


async def test_calls_share_one_connection(claude: Model) -> None:
    async with CountingApi([say("one"), say("two"), say("three")]) as api:
        said = [(await listen(claude, ask(), environment(api))).text for _ in range(3)]
    assert said == ["one", "two", "three"]
    assert api.accepted == 1


async def test_models_share_connections_and_calls_run_at_the_same_time(make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(Settings())
    gate = Gate()
    script = [Reply((Text((f"{n}", Wait(gate), "!")),)) for n in range(8)]
    async with CountingApi(script) as api, asyncio.timeout(LIMIT):
        models = [catalog.find(("claude-opus-5-5", "claude-haiku-5-5")[n % 2]) for n in range(8)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen(model, ask(), environment(api))) for model in models]
            await api.wait_for_request(8)
            gate.open()
        assert sorted(task.result().text for task in tasks) == [f"{n}!" for n in range(8)]
    assert api.accepted == 8


async def test_cancelling_the_consumers_task_hangs_up(claude: Model) -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate))),))]) as api, asyncio.timeout(LIMIT):
        task = asyncio.create_task(listen(claude, ask(), environment(api)))
        await gate.reached.wait()
        task.cancel()
        await api.wait_disconnected()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_cancelling_while_the_head_is_due_hangs_up(claude: Model) -> None:
    gate = Gate()
    async with MessagesApi([Reply(before=(Wait(gate),))]) as api, asyncio.timeout(LIMIT):
        task = asyncio.create_task(listen(claude, ask(), environment(api)))
        await gate.reached.wait()
        task.cancel()
        await api.wait_disconnected()
        await asyncio.wait([task])


async def test_leaving_a_cancel_scope_hangs_up(claude: Model) -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate))),))]) as api, asyncio.timeout(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(listen, claude, ask(), environment(api))
            await gate.reached.wait()
            group.cancel_scope.cancel()
        await api.wait_disconnected()


async def test_closing_the_stream_hangs_up_before_it_returns(claude: Model) -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate))),))]) as api, asyncio.timeout(LIMIT):
        async with aclosing(claude.stream(ask(), environment(api))) as events:
            async for event in events:
                if isinstance(event, BlockDelta):
                    break
        await api.wait_disconnected()


async def test_a_cancelled_call_leaves_the_others_alone(claude: Model) -> None:
    gate = Gate()
    script = [Reply((Text(("Hel", Wait(gate), "lo")),)), Reply((Text(("Hel", Wait(gate), "lo")),))]
    async with MessagesApi(script) as api, asyncio.timeout(LIMIT):
        tasks = [asyncio.create_task(listen(claude, ask(), environment(api))) for _ in range(2)]
        await api.wait_for_request(2)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        gate.open()
        assert (await tasks[1]).text == "Hello"


async def test_a_slow_consumer_is_no_stalled_provider(make_catalog: MakeCatalog) -> None:
    """What takes long here is ours, longer than the limit on silence; the rest of the reply is still taken."""
    model = make_catalog(Settings(stall_seconds=0.2)).find(MODEL)
    heard = Heard()
    async with MessagesApi([say(*"abc")]) as api:
        async for event in model.stream(ask(), environment(api)):
            heard.events.append(event)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.Event().wait()
    assert (heard.text, heard.stopped) == ("abc", "end_turn")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_the_prompting_clients_proxy_is_used(claude: Model, variable: str) -> None:
    async with listening() as (port, heads):
        client = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://far.invalid"}
        heard = await listen(claude, ask(), {**client, variable: f"http://user:password@127.0.0.1:{port}"})
    assert heads[0].startswith(b"POST http://far.invalid/v1/messages HTTP/1.1\r\n")
    assert b"proxy-authorization: basic" in heads[0].lower()
    assert heard.failure is not None
    assert heard.failure.reason == "overloaded"
    assert "password" not in heard.failure.message


async def test_no_proxy_is_honoured(claude: Model) -> None:
    async with MessagesApi([say("hi")]) as api:
        client = {**environment(api), "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost,127.0.0.1"}
        assert (await listen(claude, ask(), client)).text == "hi"


async def test_a_proxy_that_is_down_is_a_network_failure(claude: Model) -> None:
    client = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://far.invalid", "HTTP_PROXY": "127.0.0.1:9"}
    heard = await listen(claude, ask(), client)
    assert heard.failure is not None
    assert heard.failure.reason == "network"


async def test_certificates_are_the_prompting_clients(claude: Model, tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    secret = tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(secret), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    async with listening(context) as (port, heads):
        client = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": f"https://localhost:{port}"}
        distrusted = await listen(claude, ask(), client)
        assert heads == []
        trusted = await listen(claude, ask(), {**client, "SSL_CERT_FILE": str(certificate)})
    assert distrusted.failure is not None
    assert trusted.failure is not None
    assert (distrusted.failure.reason, trusted.failure.reason) == ("network", "overloaded")
    assert "certificate" in distrusted.failure.message.lower()


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that keeps the head of each request and answers 529."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 529 Overloaded\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], heads
