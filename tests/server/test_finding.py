"""Lists, names and search over the protocol: in this project, and everywhere."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentd import paths
from tests.support.daemon import ProcessDaemon, daemon_of
from tests.support.editor import LIMIT, Editor, RequestError
from tests.support.home import KEY, Home, make_home
from tests.support.messages_api import Gate, MessagesApi, Reply, Text, Wait, say

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Elsewhere(Home):
    """Another project of the same person."""

    place: Path

    @property
    def root(self) -> Path:
        return self.place


@asynccontextmanager
async def editing(home: Home, *scripts: Reply) -> AsyncIterator[Editor]:
    """A client of a daemon in this process."""
    async with MessagesApi(list(scripts)) as api, daemon_of("socket", home) as daemon:
        environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        editor = await Editor.attach(await daemon.dial(environment), str(home.root), name="a")
        yield editor
        await editor.close()


async def names(editor: Editor, **asked: Any) -> list[str | None]:
    return [one.get("name") for one in (await editor.request("agentd/session/list", asked))["sessions"]]


def sessions_of(home: Home) -> Path:
    return Path(paths.project_dir(str(home.data), str(home.root))) / "sessions"


async def test_what_was_answered_is_listed_and_found() -> None:
    with make_home() as home:
        async with editing(home, say("the Heliotrope is blue"), say("again")) as editor:
            chat = await editor.request("agentd/chat", {"prompt": "which parseColour?"})
            session = chat["session"]["id"]
            for n in range(5):
                await editor.request("agentd/session/name", {"sessionId": session, "name": f"name {n}"})
                assert await names(editor) == [f"name {n}"]
            for query, kind, snippet, marked in (
                ("heliotrop", "text", "the Heliotrope is blue", "Heliotrop"),
                ("colour", "prompt", "which parseColour?", "Colour"),
                ("name", "name", "name 4", "name"),
            ):
                result = await editor.request("agentd/session/search", {"query": query})
                (hit,) = result["hits"]
                (mark,) = hit["marks"]
                assert (hit["kind"], hit["snippet"], hit["snippet"][slice(*mark)]) == (kind, snippet, marked)
                assert hit["session"]["id"] == session
                assert hit["turn"] == (0 if kind == "name" else 1)
                assert result["indexing"] is False
            await editor.request("agentd/session/archive", {"sessionId": session})
            assert await names(editor) == []
            assert await names(editor, status="archived") == ["name 4"]
            assert (await editor.request("agentd/session/search", {"query": "blue", "status": "active"}))["hits"] == []
            assert (await editor.request("agentd/session/search", {"query": '  " * '}))["hits"] == []
            with pytest.raises(RequestError, match="cursor"):
                await editor.request("agentd/session/search", {"query": "blue", "cursor": "bm9uZQ=="})


async def test_what_runs_is_listed_as_it_is_and_in_its_place() -> None:
    gate = Gate()
    with make_home() as home:
        async with editing(home, Reply((Wait(gate), Text(("at last",))))) as editor:
            for name in ("one", "two", "three"):
                await editor.request("agentd/session/new", {"name": name})
            await editor.request("agentd/chat", {"sessionName": "one", "prompt": "go", "background": True})
            await editor.event("turn/started")
            listed = (await editor.request("agentd/session/list", {}))["sessions"]
            assert [(one["name"], one["state"]) for one in listed] == [
                ("one", "running"),
                ("three", "idle"),
                ("two", "idle"),
            ]
            first = await editor.request("agentd/session/list", {"limit": 1})
            rest = await editor.request("agentd/session/list", {"limit": 5, "cursor": first["nextCursor"]})
            assert (first["total"], [one["name"] for one in rest["sessions"]]) == (3, ["three", "two"])
            assert await names(editor, status="background") == ["one"]
            gate.open()
            await editor.event("turn/ended", session=listed[0]["id"])
            listed = (await editor.request("agentd/session/list", {"limit": 1}))["sessions"]
            assert [(one["name"], one["state"], one["messageCount"]) for one in listed] == [("one", "idle", 2)]


async def test_a_session_that_is_copied_in_is_told_to_clients() -> None:
    with make_home() as home:
        async with editing(home) as editor:
            made = (await editor.request("agentd/session/new", {"name": "mine"}))["session"]["id"]
            await editor.event("session/created", session=made)
            await editor.request("agentd/session/stats", {})  # all is read, so the watch has begun
            new = "0" * 8 + made[8:]
            shutil.copytree(sessions_of(home) / made, home.base / new)
            (home.base / new).rename(sessions_of(home) / new)
            await editor.event("session/created", session=new)
            assert await names(editor) == ["mine", "mine"]
            shutil.rmtree(sessions_of(home) / new)
            await editor.event("session/deleted", session=new)
            assert await names(editor) == ["mine"]


async def test_everywhere_asks_running_daemons_and_reads_the_others() -> None:
    with make_home() as home:
        other, stopped, broken = (home.base / name for name in ("other", "stopped", "broken"))
        for root in (other, stopped, broken):
            root.mkdir()
        async with AsyncExitStack() as stack:
            for root, keep in ((other, True), (stopped, False), (broken, False)):
                daemon = ProcessDaemon(Elsewhere(home.base, root))
                await daemon.serve()
                if keep:
                    stack.push_async_callback(daemon.stop)
                visitor = await Editor.attach(await daemon.dial({}), str(root), name="b")
                for n in range(3):
                    await visitor.request("agentd/session/new", {"name": f"{root.name} {n}"})
                await visitor.close()
                if not keep:
                    await daemon.stop()
            unreadable = sessions_of(Elsewhere(home.base, broken)).parent / "index.sqlite3"
            unreadable.write_bytes(b"no database")
            editor = await stack.enter_async_context(editing(home))
            await editor.request("agentd/session/new", {"name": "here"})
            async with asyncio.timeout(LIMIT):
                # What has no sound index may take longer than an answer does.
                while (await editor.request("agentd/session/search", {"query": "2", "scope": "everywhere"})).get(
                    "problems"
                ):
                    pass
            seen, cursor = [], None
            while True:
                asked = {"scope": "everywhere", "limit": 4, **({"cursor": cursor} if cursor else {})}
                page = await editor.request("agentd/session/list", asked)
                assert (page["total"], page.get("problems")) == (10, None)
                seen += [(one["name"], one["root"]) for one in page["sessions"]]
                cursor = page.get("nextCursor")
                if cursor is None:
                    break
            wanted = [(f"{root.name} {n}", str(root)) for root in (broken, stopped, other) for n in (2, 1, 0)]
            assert seen == [("here", str(home.root)), *wanted]
            found = await editor.request("agentd/session/search", {"query": "2", "scope": "everywhere"})
            assert [hit["session"]["root"] for hit in found["hits"]] == [str(broken), str(stopped), str(other)]
            assert [one["name"] for one in (await editor.request("agentd/session/list", {}))["sessions"]] == ["here"]


async def test_a_project_that_does_not_answer_is_named() -> None:
    with make_home() as home:
        root = home.base / "silent"
        root.mkdir()
        project = sessions_of(Elsewhere(home.base, root))
        project.mkdir(parents=True)
        (project.parent / "project.json").write_text(json.dumps({"version": 1, "root": str(root)}))
        place = str(home.base / "s.sock")
        silent: list[asyncio.StreamWriter] = []
        server = await asyncio.start_unix_server(lambda _reader, writer: silent.append(writer), place)
        (project.parent / "lock").write_text(json.dumps({"socket": place, "version": "1", "pid": 1}) + "\n")
        async with server, editing(home) as editor:
            await editor.request("agentd/session/new", {"name": "here"})
            page = await editor.request("agentd/session/list", {"scope": "everywhere"})
            assert [one["name"] for one in page["sessions"]] == ["here"]
            assert page["problems"] == [f"{root}: no answer within 1 s"]
            for writer in silent:
                writer.close()
                await writer.wait_closed()
