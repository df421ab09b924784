"""Open documents: the text that the workspace hears is the text on the screen, whatever the editor sends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.server.text import Encoding, offset, spliced
from tests.server.client import Client
from tests.server.conftest import Edge

pytestmark = pytest.mark.anyio

URI = "file:///w/a%20b.py"


def change(start: tuple[int, int], end: tuple[int, int], text: str) -> dict[str, Any]:
    places = {name: {"line": at[0], "character": at[1]} for name, at in (("start", start), ("end", end))}
    return {"range": places, "text": text}


async def opened(edge: Edge, text: str, encoding: str = "utf-16") -> Client:
    client = await Client.initialized(edge.path, general={"positionEncodings": [encoding]})
    document = {"uri": URI, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})
    return client


def edit(client: Client, *changes: dict[str, Any], uri: str = URI, version: Any = 2) -> None:
    identity = {"uri": uri, "version": version}
    client.notify("textDocument/didChange", {"textDocument": identity, "contentChanges": list(changes)})


async def test_the_life_of_a_document(edge: Edge) -> None:
    client = await opened(edge, "one\ntwo\n")
    edit(client, change((1, 0), (1, 3), "zwei"), change((0, 3), (1, 0), ", "))
    await client.alive()
    (peer,) = edge.inside.peers
    assert edge.inside.documents.texts == {(peer, URI): "one, zwei\n"}
    edit(client, {"text": "whole"}, version=3)
    client.notify("textDocument/didSave", {"textDocument": {"uri": URI}})
    client.notify("textDocument/didSave", {"textDocument": {"uri": "file:///never/opened"}})
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    await client.alive()
    assert edge.inside.documents.calls == [
        ("opened", URI, 1), ("changed", URI, 2), ("changed", URI, 3), ("saved", URI), ("closed", URI),
    ]  # fmt: skip
    await client.close()


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 7), ("utf-16", 5), ("utf-32", 4)])
async def test_positions_are_in_the_clients_encoding(edge: Edge, encoding: str, column: int) -> None:
    client = await opened(edge, 'x="\U0001f60b"\n', encoding)
    edit(client, change((0, column), (0, column), "!"))
    await client.alive()
    assert list(edge.inside.documents.texts.values()) == ['x="\U0001f60b!"\n']
    await client.close()


async def test_lines_end_where_lsp_has_them_end(edge: Edge) -> None:
    text = "a\x0cb\u2028c\x1cd\x85e\r\nsecond\rthird\n"
    client = await opened(edge, text)
    edit(client, change((2, 0), (2, 5), "3"))
    await client.alive()
    assert list(edge.inside.documents.texts.values()) == [text.replace("third", "3")]
    await client.close()


async def test_odd_changes_cost_themselves(edge: Edge) -> None:
    client = await opened(edge, "abc")
    edit(client, {"text": "?"}, uri="file:///never/opened")
    edit(client, change((0, -1), (0, 1), "?"))
    edit(client, {"range": {"start": {}}, "text": "?"})
    edit(client, {"text": 5})
    client.notify("textDocument/didChange", {"textDocument": {"uri": URI}})
    client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened"}})
    edit(client, change((0, 10), (7, 0), "d"))
    edit(client, change((0, 4), (0, 0), "x"), version=3)
    await client.alive()
    assert list(edge.inside.documents.texts.values()) == ["x"]
    edit(client)
    await client.alive()
    await client.close()


async def test_two_clients_hold_one_file_each_with_its_own_text(edge: Edge) -> None:
    one, two = await opened(edge, "one"), await opened(edge, "two")
    edit(two, change((0, 0), (0, 0), ">"))
    await one.alive()
    await two.alive()
    assert sorted(edge.inside.documents.texts.values()) == [">two", "one"]
    await one.close()
    await two.close()


LINES = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=6), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def units(text: str, encoding: Encoding) -> int:
    return len(text.encode({"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding])) // {
        "utf-8": 1, "utf-16": 2, "utf-32": 4,
    }[encoding]  # fmt: skip


@given(LINES, ENDS, st.data(), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_a_position_is_where_it_was_measured(
    lines: list[str], end: str, data: st.DataObject, encoding: Encoding
) -> None:
    lines = lines or [""]
    line = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[line])))
    text = end.join(lines)
    index = sum(len(before) + len(end) for before in lines[:line]) + column
    assert offset(text, line, units(lines[line][:column], encoding), encoding) == index


@given(st.text(max_size=20), st.tuples(*[st.integers(0, 8)] * 4), st.text(max_size=5))
def test_no_range_is_too_odd(text: str, places: tuple[int, int, int, int], new: str) -> None:
    a, b, c, d = places
    one, other = spliced(text, (a, b), (c, d), new, "utf-16"), spliced(text, (c, d), (a, b), new, "utf-16")
    assert one == other
    assert new in one
