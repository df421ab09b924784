"""Importing through the daemon: what it makes can be gone on with at once, and nothing that is given to it hangs it."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import agentd
from agentd.client.typed import Client
from agentd.errors import ImportFailed, InvalidName, InvalidParams
from agentd.protocol import ChatParams, ImportParams, ImportResult, TurnEvent
from tests.importing.golden import CASES, IDS, input_of
from tests.support.daemon import ProcessDaemon, SocketDaemon, environment
from tests.support.editor import LIMIT, Editor, RequestError
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import MessagesApi
from tests.support.messages_api.script import Script, say

pytestmark = pytest.mark.anyio
PROMPT = LIMIT / 40
"""Seconds that another client waits at most while something large is imported."""
GOOD = [(name, case) for name, case in zip(IDS, CASES, strict=True) if (case / "expected.json").exists()]
PLAIN = next(input_of(case) for name, case in GOOD if name == "claude-code/plain")


@asynccontextmanager
async def machine(script: Script = ()) -> AsyncIterator[tuple[Home, MessagesApi, Client]]:
    """A daemon in this process over its real socket, and a client of it."""
    async with MessagesApi(script) as api:
        with make_home() as home:
            daemon = SocketDaemon(home)
            await daemon.start()
            try:
                with environment(home.environment(ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=api.url)):
                    async with agentd.connect(home.root) as client:
                        yield home, api, client
            finally:
                await daemon.stop()


async def test_every_imported_session_can_be_gone_on_with_at_once() -> None:
    """The scripted model refuses what the real one refuses: every golden case, and its sub-agents', is answered."""
    async with machine(lambda _: say("Gone on.")) as (_, api, client):
        for name, case in GOOD:
            result = await client.import_session(uri=input_of(case).as_uri())
            assert result.format == name.partition("/")[0]
            children = (await client.sessions(parent_id=result.session.id, status="all")).sessions
            for session in (result.session, *children):
                if session.status == "archived":
                    await client.restore(session.id)
                turn = (await client.send(_chat(session.id))).turn
                assert turn.status == "completed", (name, turn.error)
                shown = await client.turns(session.id)
                assert shown.turns[-1].number == turn.number
                assert shown.turns[-1].items[-1].text == "Gone on."
            if case.name == "sidechains-inline":
                assert sorted(child.agent_name or "" for child in children) == ["agent", "explore"]
                assert {child.trace_id for child in children} == {result.session.id}
        assert [exchange.refusal for exchange in api.requests if exchange.refusal is not None] == []


def _chat(session_id: str) -> ChatParams:
    return ChatParams(session_id=session_id, prompt="Go on")


async def test_what_is_imported_is_told_and_lasts() -> None:
    async with machine() as (home, _, client):
        events = client.events()
        result = await client.import_session(uri=PLAIN.as_uri(), name="Mine")
        assert (result.session.name, result.session.name_source) == ("Mine", "user")
        assert (result.session.turn_count, result.session.message_count) == (2, 4)
        assert result.session.created == "2026-03-04T10:00:05.250Z"
        assert result.before == ()
        event = await anext(aiter(events))
        assert event.event.type == "session/created"
        assert event.session_id == result.session.id
        lines = (home.sessions() / result.session.id / "transcript.jsonl").read_text().splitlines()
        assert '"time":"2026-03-04T10:00:05.250Z"' in lines[0]
        again = await client.import_session(content=PLAIN.read_text())
        assert again.before == (result.session.id,)
        assert again.session.id != result.session.id


async def test_our_own_export_comes_back_as_it_was(tmp_path: Path) -> None:
    async with machine() as (_, _, client):
        session = (await client.import_session(uri=PLAIN.as_uri())).session
        await client.create_document(session.id, "notes.md", "Notes\n")
        first, again = tmp_path / "first.agentd", tmp_path / "again.agentd"
        await client.export(session.id, path=str(first))
        copy = await client.import_session(uri=first.as_uri(), name="A copy")
        assert (copy.format, copy.before, copy.session.name) == ("agentd", (session.id,), "A copy")
        assert copy.session.id != session.id
        await client.delete(session.id)
        back = await client.import_session(content=first.read_text())
        assert (back.session.id, back.warnings) == (session.id, ())
        assert [one.name for one in (await client.documents(session.id)).documents] == ["notes.md"]
        await client.export(session.id, path=str(again))
        assert again.read_bytes() == first.read_bytes()
        plain = await client.export(session.id, "json")
        told = await client.import_session(content=plain.content)
        assert (told.format, told.session.turn_count, told.warnings) == ("agentd", 2, ())
        with pytest.raises(ImportFailed, match="not one of codex"):
            await client.import_session(uri=first.as_uri(), kind="codex")


async def test_a_turn_that_was_interrupted_there_can_be_retried_here() -> None:
    async with machine([say("You are welcome.")]) as (_, api, client):
        case = next(input_of(case) for name, case in GOOD if name == "claude-code/interrupted")
        session = (await client.import_session(uri=case.as_uri())).session
        assert session.last_turn == "interrupted"
        *_, last = [event async for event in client.retry(session.id)]
        assert isinstance(last, TurnEvent)
        assert (last.turn.status, last.turn.retry_of) == ("completed", 6)
        messages = api.requests[0].body["messages"]
        assert [block.get("text") for block in messages[-1]["content"]] == ["Thanks"]


async def test_documents_and_images_come_along() -> None:
    async with machine() as (_, _, client):
        cases = {name: input_of(case) for name, case in GOOD}
        session = (await client.import_session(uri=cases["amazonq/documents"].as_uri())).session
        documents = (await client.documents(session.id)).documents
        assert [document.name for document in documents] == ["analysis.md", "research_notes.md"]
        assert session.file_count == 2
        shown = (await client.import_session(uri=cases["claude-code/images"].as_uri())).session
        (first, *_) = (await client.turns(shown.id)).turns
        (beside,) = first.items[0].context or ()
        assert beside.uri is not None
        blob = await client.blob(shown.id, beside.uri.removeprefix("blob:"))
        assert blob.media_type == "image/png"


async def test_a_directory_of_one_and_a_file_of_a_directory(tmp_path: Path) -> None:
    async with machine() as (_, _, client):
        (tmp_path / "one.jsonl").write_bytes(PLAIN.read_bytes())
        assert (await client.import_session(uri=str(tmp_path))).format == "claude-code"
        transcript = next(input_of(case) for name, case in GOOD if name == "amplifier/plain") / "transcript.jsonl"
        result = await client.import_session(uri=str(transcript))
        assert (result.format, result.session.name) == ("amplifier", "Cart fixes")


@pytest.mark.parametrize(
    "uri", ["/dev/zero", "/dev/tty", "/proc/self/environ", "/proc/kmsg", "/nowhere/at/all", "fifo", "relative.jsonl",
            "https://example.com/x.jsonl", "file://elsewhere/x", "/tmp/\0x", "link-to-fifo", "/proc/self/fd", ""],
)  # fmt: skip
async def test_what_is_no_file_is_refused_without_hanging(uri: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link-to-fifo").symlink_to(tmp_path / "fifo")
    place = str(tmp_path / uri) if uri in ("fifo", "link-to-fifo") else uri
    async with machine() as (home, _, client):
        with anyio.fail_after(20), pytest.raises(ImportFailed):
            await client.import_session(uri=place)
        assert (await client.sessions(status="all")).total == 0
        assert [path.name for path in (home.data / "projects").glob("*/sessions/*")] == []


async def test_links_in_a_directory_are_not_followed_out(tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir()
    (session / "metadata.json").write_text('{"session_id": "x", "created": "2026-01-01T00:00:00Z"}')
    (session / "transcript.jsonl").symlink_to(PLAIN)
    async with machine() as (_, _, client):
        with pytest.raises(ImportFailed, match="without a transcript"):
            await client.import_session(uri=str(session))


async def test_wrong_uses() -> None:
    async with machine() as (_, _, client):
        with pytest.raises(InvalidParams):
            await client.import_session()
        with pytest.raises(InvalidParams):
            await client.import_session(uri="/x", content="{}")
        with pytest.raises(InvalidName):
            await client.import_session(uri=PLAIN.as_uri(), name="")
        with pytest.raises(ImportFailed, match="a session of claude-code, not of codex"):
            await client.import_session(uri=PLAIN.as_uri(), kind="codex")
        with pytest.raises(ImportFailed, match="looked for"):
            await client.import_session(content="hello")
        assert (await client.sessions(status="all")).total == 0


async def test_a_long_import_holds_nobody_up_and_can_be_cancelled(tmp_path: Path) -> None:
    """Of a file that would take minutes: others are answered meanwhile, and a cancelled one leaves nothing."""
    line = b'{"type":"user","sessionId":"s","message":{"role":"user","content":"%d %b"}}\n'
    big = tmp_path / "big.jsonl"
    with big.open("wb") as file:
        file.writelines(line % (number, b"x" * 2000) for number in range(100_000))
    async with machine() as (home, _, client):
        async with agentd.connect(home.root) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(_import, other, big)
            for _ in range(20):
                before = time.perf_counter()
                await other.status()
                assert time.perf_counter() - before < PROMPT
            tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            await client.import_session(uri=PLAIN.as_uri())  # waits until the other one is out of the way
        assert (await client.sessions(status="all")).total == 1
        assert len(list(home.sessions().iterdir())) == 1


async def test_a_hostile_document_holds_nobody_up(tmp_path: Path) -> None:
    """Of a file that one parse would take seconds for and gigabytes: another process answers meanwhile, soon."""
    hostile = tmp_path / "hostile.json"
    with hostile.open("wb") as file:
        file.write(b'{"session_id":"s","messages":[')
        file.writelines([b"{}," * 1_000_000] * 20)
        file.write(b'{"role":"user","content":"x"}]}')
    with make_home() as home:
        daemon = ProcessDaemon(home)
        await daemon.serve()
        first = await Editor.attach(await daemon.dial({}), str(home.root))
        other = await Editor.attach(await daemon.dial({}), str(home.root))
        begun = first.begin("agentd/session/import", {"uri": str(hostile)})
        waits = []
        while not begun.future.done():
            before = time.perf_counter()
            await other.request("agentd/status")
            waits.append(time.perf_counter() - before)
        with pytest.raises(RequestError, match="more objects and values"):
            await begun.answer()
        assert len(waits) > 10
        assert max(waits) < PROMPT
        for editor in (first, other):
            await editor.drop()
        await daemon.stop()


async def _import(client: Client, path: Path) -> ImportResult:
    return await client.request("agentd/session/import", ImportParams(uri=path.as_uri()), ImportResult)
