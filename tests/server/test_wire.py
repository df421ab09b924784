"""Requests, answers and errors over a real socket."""

import asyncio
import logging
from typing import Any

import pytest

from agentd.server.questions import RequestFailed
from agentd.server.wire import MAX_IN_FLIGHT
from tests.server.client import Client, initialize
from tests.server.conftest import Edge
from tests.server.tiny import delta

pytestmark = pytest.mark.anyio


async def test_initialize_tells_what_the_daemon_can(edge: Edge) -> None:
    client = await Client.initialized(edge.path, experimental={"agentd": {"approve": True, "save": False}})
    capabilities = client.answer["result"]["capabilities"]
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["textDocumentSync"]["openClose"] is True
    assert capabilities["textDocumentSync"]["save"] == {"includeText": False}
    assert capabilities["positionEncoding"] == "utf-16"
    assert capabilities["executeCommandProvider"]["commands"] == ["agentd.resume", "agentd.name"]
    ours = capabilities["experimental"]["agentd"]
    assert ours["protocol"] == 1
    assert ours["root"] == edge.daemon.root
    assert "agentd/chat" in ours["methods"]
    (peer,) = edge.inside.peers.values()
    assert (peer.name, set(peer.abilities)) == ("bytes", {"approve"})
    await client.close()


@pytest.mark.parametrize("offered", ["utf-8", "utf-16", "utf-32"])
async def test_the_position_encoding_is_the_clients_first_choice(edge: Edge, offered: str) -> None:
    client = await Client.initialized(edge.path, general={"positionEncodings": ["utf-7", offered, "utf-16"]})
    assert client.answer["result"]["capabilities"]["positionEncoding"] == offered
    await client.close()


async def test_hello_carries_the_allowed_environment_and_no_more(edge: Edge) -> None:
    client = await Client.raw(edge.path)
    client.writer.write(
        b'{"agentd":1,"version":"9","cwd":"/w","environment":{"PATH":"/bin","HOME":"/x","SHELL":"/s","LANG":1},"new":[null]}\n'
    )
    assert b'"idle":true' in await client.line()
    await client.request("initialize", initialize())
    (peer,) = edge.inside.peers.values()
    assert (peer.environment, peer.cwd, peer.version) == ({"PATH": "/bin", "HOME": "/x"}, "/w", "9")
    second = await Client.greeted(edge.path)
    assert second.daemon == {
        "agentd": 1, "version": edge.daemon.version, "root": edge.daemon.root, "idle": False, "protocol": 1,
    }  # fmt: skip
    assert edge.daemon.connections == 2
    await client.close()
    await second.close()


async def test_a_hello_and_its_first_message_may_come_in_any_pieces(edge: Edge) -> None:
    client = await Client.raw(edge.path)
    text = b'{"agentd":1,"version":"1","cwd":"/","environment":{}}\n'
    body = b'{"jsonrpc":"2.0","id":1,"method":"agentd/status"}'
    for byte in text + b"content-LENGTH: %d\r\n\r\n" % len(body) + body:
        client.writer.write(bytes([byte]))
        await client.writer.drain()
    await client.line()
    assert "result" in await client.answer_to(1)
    await client.close()


async def test_before_initialize_only_status_and_shutdown_are_served(edge: Edge) -> None:
    client = await Client.greeted(edge.path)
    assert "result" in await client.request("agentd/status", {})
    assert (await client.request("agentd/session/resume", {}))["error"]["code"] == -32002
    assert (await client.request("shutdown"))["error"]["code"] == -32002
    client.notify("textDocument/didOpen", {"textDocument": {"uri": "a", "languageId": "", "version": 1, "text": ""}})
    assert "result" in await client.request("initialize", initialize())
    assert edge.inside.documents.calls == []
    assert (await client.request("initialize", initialize()))["error"]["code"] == -32600
    await client.close()


async def test_after_shutdown_only_exit_is_served_and_ends_this_connection_alone(edge: Edge) -> None:
    client, other = await Client.initialized(edge.path), await Client.initialized(edge.path)
    client.ask("agentd/chat", {"prompt": "p"})
    await edge.inside.chats.get()
    assert await client.request("shutdown") == {"jsonrpc": "2.0", "id": 3, "result": None}
    assert edge.inside.cancelled.empty(), "an editor that closes interrupts no turn"
    assert (await client.request("agentd/status"))["error"]["code"] == -32600
    client.notify("exit", None)
    assert await client.end() == b""
    assert await edge.inside.cancelled.get() is True
    await other.alive()
    await other.close()


async def test_exit_is_heeded_at_any_time(edge: Edge) -> None:
    client = await Client.greeted(edge.path)
    client.notify("exit", {})
    assert await client.end() == b""


@pytest.mark.parametrize(
    ("method", "params", "place"),
    [
        ("agentd/chat", {}, "prompt: Field required"),
        ("agentd/chat", None, "prompt: Field required"),
        ("agentd/chat", [], "prompt: Field required"),
        ("agentd/chat", {"prompt": 5}, "prompt: Input should be a valid string"),
        ("agentd/chat", {"prompt": "", "whenBusy": "x"}, "whenBusy: Input should be"),
        ("agentd/chat", {"prompt": "", "context": [{"type": "file"}, {"type": "f"}]}, "context.1.type: "),
        ("agentd/chat", {"prompt": "", "sesionId": "typo"}, "sesionId: Extra inputs are not permitted"),
        ("agentd/session/turns", {"sessionId": "s", "limit": 0}, "limit: Input should be greater than"),
        ("agentd/session/name", [1, 2], "params: "),
        ("agentd/session/name", {}, "sessionId: Field required; name: Field required"),
        ("workspace/executeCommand", {}, "command: Field required"),
        ("workspace/executeCommand", [], "command: Field required"),
        ("workspace/executeCommand", None, "params: Field required"),
        ("workspace/executeCommand", {"command": "rm"}, "command: no such command: rm"),
        ("workspace/executeCommand", {"command": "agentd.name", "arguments": [1, 2]}, "arguments: should be one"),
        ("workspace/executeCommand", {"command": "agentd.name", "arguments": 5}, "arguments: "),
        (
            "workspace/executeCommand",
            {"command": "agentd.name", "arguments": [{"sessionId": "s"}]},
            "arguments.0.name: Field required",
        ),
    ],
)
async def test_invalid_params_are_answered_with_the_place(edge: Edge, method: str, params: Any, place: str) -> None:
    client = await Client.initialized(edge.path)
    error = (await client.request(method, params))["error"]
    assert error["code"] == -32602
    assert error["message"].startswith(place)
    await client.alive()
    await client.close()


@pytest.mark.parametrize("params", [{}, {"capabilities": 5}, {"capabilities": {}, "workspaceFolders": [{"uri": 1}]}])
async def test_an_invalid_initialize_is_answered_and_may_be_repeated(edge: Edge, params: Any) -> None:
    client = await Client.greeted(edge.path)
    assert (await client.request("initialize", params))["error"]["code"] == -32602
    assert "result" in await client.request("initialize", initialize())
    await client.close()


async def test_what_lua_sends_is_understood(edge: Edge) -> None:
    client = await Client.greeted(edge.path)
    assert "result" in await client.request("initialize", {"processId": 1, "capabilities": [], "workspaceFolders": []})
    client.notify("initialized", [])
    assert "result" in await client.request("agentd/status", [])
    assert "result" in await client.request("agentd/session/resume", {"sessionId": None})
    assert "result" in await client.request("shutdown", [])
    await client.close()


async def test_unknown_methods_and_misused_ones(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    assert (await client.request("agentd/nothing"))["error"]["code"] == -32601
    assert (await client.request("textDocument/hover", {}))["error"]["code"] == -32601
    assert (await client.request("$/whatever"))["error"]["code"] == -32601
    # A notification sent as a request, and requests sent as notifications.
    assert (await client.request("textDocument/didOpen", {}))["error"]["code"] == -32600
    client.notify("agentd/session/name", {"sessionId": "s", "name": "n"})
    client.notify("shutdown", None)
    client.notify("$/setTrace", {"value": "verbose"})
    client.notify("$/whatever", None)
    client.notify("textDocument/didOpen", {"text": "without a uri"})
    client.notify("notebookDocument/didChange", {"notebookDocument": {"uri": "u", "version": 1}, "change": {}})
    await client.alive()
    await client.close()


async def test_a_failure_of_ours_has_kind_and_details(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    answer = await client.request("agentd/session/name", {"sessionId": "abc", "name": "n"})
    assert answer["error"] == {
        "code": 1,
        "message": "Session 'abc' not found",
        "data": {"kind": "sessionNotFound", "retryable": False, "sessionId": "abc"},
    }
    command = {"command": "agentd.name", "arguments": [{"sessionId": "abc", "name": "n"}]}
    assert (await client.request("workspace/executeCommand", command))["error"] == answer["error"]
    await client.close()


async def test_an_unforeseen_failure_goes_out_as_a_reference_to_the_log(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    client = await Client.initialized(edge.path)
    error = (await client.request("agentd/session/clear", {"sessionId": "/a/secret"}))["error"]
    assert error["code"] == -32603
    reference = error["data"]["reference"]
    assert error["message"] == f"Internal error (reference {reference}: see the daemon's log)"
    assert f"[{reference}]" in caplog.text
    assert "in clear" in caplog.text
    assert "secret" not in caplog.text
    await client.alive()
    await client.close()


async def test_no_body_is_logged(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = await Client.initialized(edge.path)
        secret = "sk-ant-do-not-log"
        await client.request("agentd/session/name", {"sessionId": secret, "name": secret})
        await client.request("agentd/session/name", {"sessionId": secret, "nam": secret})
        document = {"uri": f"file:///{secret}", "languageId": "", "version": 1, "text": secret}
        client.notify("textDocument/didOpen", {"textDocument": document})
        client.notify("textDocument/didChange", {"textDocument": {"uri": "u", "version": 2}, "contentChanges": secret})
        client.notify(secret, {secret: secret})
        client.body(b'{"' + secret.encode())
        assert (await client.next())["error"]["code"] == -32700
        await client.close()
    assert "client 1" in caplog.text
    ours = [record for record in caplog.records if not record.name.startswith("asyncio")]
    assert not [record for record in ours if secret in record.getMessage()]


async def test_cancel_ends_the_handler_and_is_answered(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    number = client.ask("agentd/chat", {"prompt": "p"})
    await edge.inside.chats.get()
    client.notify("$/cancelRequest", {"id": 999})
    client.notify("$/cancelRequest", {"id": [number]})
    client.notify("$/cancelRequest", None)
    client.notify("$/cancelRequest", {"id": number})
    assert (await client.answer_to(number))["error"]["code"] == -32800
    assert await edge.inside.cancelled.get() is False, "the user asked, and is still here"
    client.notify("$/cancelRequest", {"id": number})
    await client.alive()
    await client.close()


async def test_cancel_in_the_same_packet_as_its_request_is_answered(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    number = client.ask("agentd/chat", {"prompt": "p"})
    client.notify("$/cancelRequest", {"id": number})
    assert (await client.answer_to(number))["error"]["code"] == -32800
    await client.close()


async def test_a_lost_client_is_gone_before_its_handlers_are_cancelled(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    client.ask("agentd/chat", {"prompt": "p"})
    await edge.inside.chats.get()
    client.writer.transport.abort()
    assert await edge.inside.cancelled.get() is True
    await edge.inside.left.wait()
    assert edge.inside.peers == {}


async def test_a_half_closed_client_is_still_answered(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    number = client.ask("agentd/session/turns", {"sessionId": "s", "limit": 3})
    client.writer.write_eof()
    assert len((await client.answer_to(number))["result"]["name"]) == 3000
    assert await client.end() == b""


async def test_an_id_in_use_is_refused_and_the_first_goes_on(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    client.send(id="x", method="agentd/chat", params={"prompt": "1"})
    await edge.inside.chats.get()
    client.send(id="x", method="agentd/status", params={})
    assert (await client.answer_to("x"))["error"]["code"] == -32600
    # 1 and "1" are two ids.
    client.send(id=1, method="agentd/chat", params={"prompt": "2"})
    client.send(id="1", method="agentd/status", params={})
    assert "result" in await client.answer_to("1")
    client.notify("$/cancelRequest", {"id": "x"})
    assert (await client.answer_to("x"))["error"]["code"] == -32800
    await client.close()


async def test_more_requests_than_a_person_makes_are_refused(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    for _ in range(MAX_IN_FLIGHT + 1):
        number = client.ask("agentd/chat", {"prompt": ""})
    assert (await client.answer_to(number))["error"]["code"] == -32803
    await client.close()


async def test_what_follows_an_answer_comes_after_it(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    assert "result" in await client.request("agentd/session/resume", {})
    assert client.events == []
    assert (await client.next())["params"]["event"]["text"] == "after the answer"
    answer = await client.request("workspace/executeCommand", {"command": "agentd.resume", "arguments": []})
    assert answer["result"] == {}
    assert (await client.next())["method"] == "agentd/event"
    await client.close()


async def test_the_daemon_asks_the_client(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    (peer,) = edge.inside.peers.values()
    first, second = peer.request("agentd/save", {"uri": "a"}), peer.request("agentd/save", {"uri": "b"})
    one, two = await client.next(), await client.next()
    assert (one["method"], one["params"], two["params"]) == ("agentd/save", {"uri": "a"}, {"uri": "b"})
    client.send(id=two["id"], result={"saved": True})
    client.send(id=one["id"], error={"code": 7, "message": "no such file"})
    assert await second == {"saved": True}
    with pytest.raises(RequestFailed, match="no such file") as failed:
        await first
    assert failed.value.code == 7
    # Lua leaves a nil result out; strangers' answers, late ones and odd errors change nothing.
    third = peer.request("agentd/save", {})
    client.send(id=77, result=1)
    client.send(id=one["id"], result=1)
    client.send(id="x", error=5)
    client.send(id=(await client.next())["id"])
    assert await third is None
    fourth = peer.request("agentd/save", {})
    client.send(id=(await client.next())["id"], error="odd")
    with pytest.raises(RequestFailed, match="no reason given"):
        await fourth
    await client.close()


async def test_an_answer_may_have_the_id_of_a_request_in_flight(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    (peer,) = edge.inside.peers.values()
    client.send(id=1, method="agentd/chat", params={"prompt": ""})
    await edge.inside.chats.get()
    asked = peer.request("agentd/save", {})
    assert (await client.next())["id"] == 1
    client.send(id=1, result="mine")
    assert await asked == "mine"
    client.notify("$/cancelRequest", {"id": 1})
    assert (await client.answer_to(1))["error"]["code"] == -32800
    await client.close()


async def test_the_daemons_request_ends_with_the_client_and_can_be_cancelled(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    (peer,) = edge.inside.peers.values()
    dropped = peer.request("agentd/approve", {})
    number = (await client.next())["id"]
    dropped.cancel()
    assert await client.next() == {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}}
    waiting = peer.request("agentd/approve", {})
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert peer.request("agentd/approve", {}).cancelled()
    peer.publish(delta(1, "to nobody"))


async def test_a_client_that_leaves_costs_nobody_else_anything(edge: Edge) -> None:
    steady = await Client.initialized(edge.path)
    for _ in range(20):
        client = await Client.initialized(edge.path)
        client.ask("agentd/chat", {"prompt": "p"})
        client.writer.transport.abort()
    await steady.alive()
    await steady.close()
