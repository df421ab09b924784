"""Malformed input costs at most its own connection, and is answered where there is anybody to answer."""

import pytest

from agentd.server.frames import MAX_BODY
from tests.server.client import Client
from tests.server.conftest import Edge

pytestmark = pytest.mark.anyio

GOOD = b'{"jsonrpc":"2.0","id":9,"method":"agentd/status"}'

ANSWERED = [
    ("empty body", b"", -32700, None),
    ("no JSON", b"{", -32700, None),
    ("two values", b"{} {}", -32700, None),
    ("not UTF-8", b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700, None),
    ("UTF-16", '{"jsonrpc":"2.0","id":1,"method":"x"}'.encode("utf-16"), -32700, None),
    ("byte order mark", b"\xef\xbb\xbf" + GOOD, -32700, None),
    ("NaN", b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', -32700, None),
    ("a number of 5,000 digits", b'{"jsonrpc":"2.0","id":' + b"1" * 5000 + b"}", -32700, None),
    ("nested without end", b"[" * 200_000, -32700, None),
    ("nested deeply", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, -32700, None),
    ("a batch", b"[" + GOOD + b"]", -32600, None),
    ("an empty batch", b"[]", -32600, None),
    ("a string", b'"x"', -32600, None),
    ("null", b"null", -32600, None),
    ("an empty object", b"{}", -32600, None),
    ("no jsonrpc", b'{"id":1,"method":"agentd/status"}', -32600, 1),
    ("jsonrpc 1.0", b'{"jsonrpc":"1.0","id":"q","method":"agentd/status"}', -32600, "q"),
    ("jsonrpc a number", b'{"jsonrpc":2.0,"id":1,"method":"agentd/status"}', -32600, 1),
    ("method a number", b'{"jsonrpc":"2.0","id":1,"method":1}', -32600, 1),
    ("method null", b'{"jsonrpc":"2.0","id":1,"method":null}', -32600, 1),
    ("id null", b'{"jsonrpc":"2.0","id":null,"method":"agentd/status"}', -32600, None),
    ("id an object", b'{"jsonrpc":"2.0","id":{},"method":"agentd/status"}', -32600, None),
    ("id true", b'{"jsonrpc":"2.0","id":true,"method":"agentd/status"}', -32600, None),
    ("id a fraction", b'{"jsonrpc":"2.0","id":1.5,"method":"agentd/status"}', -32600, None),
    ("neither method nor id", b'{"jsonrpc":"2.0","params":{}}', -32600, None),
    ("params a string", b'{"jsonrpc":"2.0","id":1,"method":"agentd/status","params":"x"}', -32602, 1),
    ("params a number", b'{"jsonrpc":"2.0","id":1,"method":"agentd/status","params":0}', -32602, 1),
]


@pytest.mark.parametrize(("body", "code", "number"), [row[1:] for row in ANSWERED], ids=[row[0] for row in ANSWERED])
async def test_a_wrong_body_is_answered_and_the_connection_goes_on(
    edge: Edge, body: bytes, code: int, number: object
) -> None:
    client = await Client.initialized(edge.path)
    client.body(body)
    answer = await client.next()
    assert (answer["id"], answer["error"]["code"]) == (number, code)
    assert answer["error"]["message"]
    await client.alive()
    await client.close()


SILENT = [
    ("an answer to nothing", b'{"jsonrpc":"2.0","id":5,"result":1}'),
    ("an error to nothing", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}'),
    ("an answer without result", b'{"jsonrpc":"2.0","id":5}'),
    ("an unknown notification", b'{"jsonrpc":"2.0","method":"no/such"}'),
    ("a notification with odd params", b'{"jsonrpc":"2.0","method":"textDocument/didSave","params":7}'),
    ("the key jsonrpc within params", b'{"jsonrpc":"2.0","method":"no/such","params":{"a":{"jsonrpc":"1"}}}'),
    ("an odd cancel", b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":{}}}'),
]


@pytest.mark.parametrize("body", [row[1] for row in SILENT], ids=[row[0] for row in SILENT])
async def test_what_needs_no_answer_gets_none(edge: Edge, body: bytes) -> None:
    client = await Client.initialized(edge.path)
    client.body(body)
    await client.alive()
    assert client.events == []
    await client.close()


async def test_the_key_jsonrpc_within_params_hangs_nothing(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    nested = {"command": "agentd.resume", "arguments": [{"jsonrpc": "2.0"}]}
    assert (await client.request("workspace/executeCommand", nested))["error"]["code"] == -32602
    await client.close()


async def test_half_a_surrogate_pair_is_mended(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    client.body(b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"agentd/chat","params":{"prompt":"a\\ud83d b"}}')
    assert (await edge.inside.chats.get()).prompt == "a\ufffd b"
    client.body(b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"\\ud83d\\ude00"}}')
    assert (await client.next())["id"] == "\U0001f600"
    await client.close()


LOST = [
    ("no length", b"Content-Type: x\r\n\r\n{}", -32700),
    ("a length in words", b"Content-Length: ten\r\n\r\n{}", -32700),
    ("a negative length", b"Content-Length: -1\r\n\r\n{}", -32700),
    ("a signed length", b"Content-Length: +2\r\n\r\n{}", -32700),
    ("two lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", -32700),
    ("a line without colon", b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", -32700),
    ("an empty header", b"\r\n\r\n", -32700),
    ("a header without end", b"x" * 9000, -32700),
    ("too long a header", b"X: " + b"y" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}", -32700),
    ("too long a body", b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), -32600),
    ("a length beyond numbers", b"Content-Length: " + b"9" * 500 + b"\r\n\r\n", -32700),
]


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in LOST], ids=[row[0] for row in LOST])
async def test_where_the_next_message_begins_nobody_knows_the_connection_is_closed(
    edge: Edge, data: bytes, code: int
) -> None:
    other = await Client.initialized(edge.path)
    client = await Client.initialized(edge.path)
    client.writer.write(data)
    answer = await client.next()
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert await client.end() == b""
    await other.alive()
    await other.close()
    await client.close()


async def test_headers_are_read_as_they_are_written(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    for header in (
        b"content-length:%d\r\n\r\n",
        b"CONTENT-LENGTH: \t %d \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b'X-Other: 1\r\nContent-Length: %d\r\nContent-Type: a; CHARSET="UTF8"\r\n\r\n',
    ):
        client.writer.write(header % len(GOOD) + GOOD)
        assert "result" in await client.answer_to(9)
    client.writer.write(b"Content-Length: 2\r\nContent-Type: a; charset=latin-1\r\n\r\n{}")
    assert (await client.answer_to(None))["error"]["code"] == -32700
    await client.alive()
    await client.close()


async def test_a_client_that_breaks_off_is_forgotten(edge: Edge) -> None:
    for data in (b"", b"Content-Le", b"Content-Length: 100\r\n\r\n{"):
        client = await Client.initialized(edge.path)
        (peer,) = edge.inside.peers.values()
        client.writer.write(data)
        await client.close()
        await peer.ended
    assert edge.daemon.connections == 0


async def test_a_large_body_is_taken(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    number = client.ask("agentd/session/name", {"sessionId": "x" * 8_000_000, "name": "n"})
    assert (await client.answer_to(number))["error"]["code"] == 1
    await client.close()
