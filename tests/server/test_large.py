"""Large messages: read on a thread, in order, and never with so many values that everybody waits."""

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.server import messages
from agentd.server.messages import LARGE, MAX_VALUES, Notification, Refused
from tests.server.client import Client
from tests.server.conftest import Edge

pytestmark = pytest.mark.anyio

HEAD = b'{"jsonrpc":"2.0","method":"m","params":'


def params(body: bytes) -> Any:
    message = messages.read(HEAD + body + b"}")
    assert isinstance(message, Notification)
    return message.params


@pytest.mark.parametrize("piece", [b"0,", b"[],", b"{},", b'"",', b'"\\ud800",', b'{"a":1},'])
def test_millions_of_values_are_refused_before_they_are_made(piece: bytes) -> None:
    with pytest.raises(Refused, match="more than 250,000 values"):
        params(b"[" + piece * (MAX_VALUES + 1) + b"0]")


def test_a_long_text_of_commas_is_one_value() -> None:
    text = ('{["\\,\n' + "é") * MAX_VALUES
    assert params(json.dumps({"text": text}).encode()) == {"text": text}
    assert params(json.dumps([text], ensure_ascii=False).encode()) == [text]


@settings(deadline=None)
@given(
    st.recursive(st.text('"\\,[{a') | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_separators_are_counted_outside_of_texts(value: Any) -> None:
    def count(value: Any) -> int:
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(0, len(inner) - 1) + sum(map(count, inner))

    assert messages._separators(json.dumps(value).encode()) == count(value)


def test_halves_of_surrogates_are_mended_in_texts_of_any_length() -> None:
    assert params(b'["a\\ud800b\\uDC00", "\\ud83d\\ude00", {"\\udfff": 1}]') == ["a\ufffdb\ufffd", "😀", {"\ufffd": 1}]
    long = "x\\ud83d\\ude00\\ud800" * 200_000
    assert params(f'["{long}"]'.encode()) == ["x😀\ufffd" * 200_000]


async def test_a_large_message_is_read_beside_the_loop_and_what_follows_it_waits(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, begun, loops = threading.Event(), threading.Event(), threading.get_ident()
    read = messages.read

    def slowly(body: bytes) -> messages.Message:
        if len(body) > LARGE:
            assert threading.get_ident() != loops
            begun.set()
            assert going_on.wait(20)
        return read(body)

    monkeypatch.setattr(messages, "read", slowly)
    client, other = await Client.initialized(edge.path), await Client.initialized(edge.path)
    uri, text = "file:///w/large.py", "x" * (LARGE + 1)
    document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})
    change = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": "small"}]}
    client.notify("textDocument/didChange", change)
    asked = client.ask("agentd/status", {})
    assert await asyncio.to_thread(begun.wait, 20)
    for _ in range(20):
        await other.alive()
    assert edge.inside.documents.calls == []
    going_on.set()
    assert "result" in await client.answer_to(asked)
    assert edge.inside.documents.calls == [("opened", uri, 1), ("changed", uri, 2)]


async def test_a_large_message_that_is_refused_is_answered_and_costs_nothing_else(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    client.body(HEAD + b"[" + b"0," * 1_000_000 + b"0]}")
    assert (await client.next())["error"]["code"] == messages.INVALID_REQUEST
    client.body(b'"' + b"x" * LARGE)
    assert (await client.next())["error"]["code"] == messages.PARSE_ERROR
    await client.alive()


async def test_who_leaves_while_a_large_message_is_read_is_let_go(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    for _ in range(3):
        client.notify("unheard-of", {"text": "x" * 5 * LARGE})
    await client.writer.drain()
    await client.close()
    async with asyncio.timeout(20):
        await edge.inside.left.wait()
