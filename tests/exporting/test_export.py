"""What an export holds, where it goes, and what it costs."""

import errno
import json
import os
import tracemalloc
from pathlib import Path

import anyio
import pytest

from agentd.core.exchange import BlockDelta, BlockStarted
from agentd.core.live import LiveTurn
from agentd.core.records import item_draft
from agentd.errors import InvalidParams, TooLarge
from agentd.protocol import Item
from agentd.store.api import QueuedPrompt
from agentd.store.transfer.target import NewFile
from tests.exporting.place import ID, Place, a_place
from tests.store.support import (
    BROKEN,
    TIME,
    FailingFiles,
    a_turn,
    new_metadata,
    prompt_item,
    start_of,
    texts,
    whole_turn,
)

pytestmark = pytest.mark.anyio
FORMATS = ("agentd", "json", "markdown", "html")


async def test_json_is_what_clients_see(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        await place.made([*whole_turn(1, "ask", "tell"), *whole_turn(2)], name="My session", turn_count=2)
        (place.documents_of(ID) / "plan.md").write_text("# Plan")
        said = json.loads(await place.text(ID, "json"))
    assert (said["format"], said["version"]) == ("agentd-json", 1)
    assert said["session"]["name"] == "My session" and said["session"]["turnCount"] == 2
    assert [turn["number"] for turn in said["turns"]] == [1, 2]
    assert [item["text"] for item in said["turns"][0]["items"]] == ["ask", "tell"]
    assert said["documents"] == [{"name": "plan.md", "text": "# Plan"}]


@pytest.mark.parametrize("kind", FORMATS)
async def test_an_empty_session_and_many_pages(tmp_path: Path, kind: str) -> None:
    async with a_place(tmp_path) as place:
        await place.made([])
        assert await place.text(ID, kind)
    async with a_place(tmp_path / "b") as place:
        drafts = [
            draft for number in range(1, 131) for draft in whole_turn(number, f"ask-{number}.", f"tell-{number}.")
        ]
        await place.made(drafts)
        text = await place.text(ID, kind)
        if kind == "json":
            assert [turn["number"] for turn in json.loads(text)["turns"]] == list(range(1, 131))
        places = [text.rindex(f"tell-{number}.") for number in range(1, 131)]
        assert places == sorted(places)


async def test_export_import_export_is_the_same(tmp_path: Path) -> None:
    async with a_place(tmp_path / "one") as place:
        await place.made([*whole_turn(1), *whole_turn(2)], name="twice")
        first = await place.text(ID, "agentd")
        assert await place.text(ID, "agentd") == first
    async with a_place(tmp_path / "two") as place:
        assert await place.imported(first) == ID
        assert await place.text(ID, "agentd") == first


async def running(place: Place, number: int = 2) -> LiveTurn:
    """A turn that streams: text has come, its item has not ended; a tool is at work; a prompt waits."""
    session = await place.opened(ID)
    turn = a_turn(number, "running", items=[prompt_item(number, "go on").dump()])
    await session.log.append(start_of(number, "go on"))
    live = LiveTurn(turn)
    tool = Item(id=f"{number}.2", kind="tool", name="run_command", input={"command": "make"}, status="running")
    await session.log.append([item_draft(number, tool)])
    live.add(tool)
    live = LiveTurn(live.snapshot())
    live.feed(BlockStarted(kind="text"))
    live.feed(BlockDelta("half an ans"))
    session.begin(live, anyio.CancelScope(), {})
    await session.log.enqueue(QueuedPrompt(number + 1, "and then", TIME))
    return live


async def test_a_running_turn_is_exported_as_interrupted(tmp_path: Path) -> None:
    async with a_place(tmp_path / "one") as place:
        await place.made(whole_turn(1))
        live = await running(place)
        said = json.loads(await place.text(ID, "json"))
        assert [turn["status"] for turn in said["turns"]] == ["completed", "interrupted"]
        assert said["turns"][1]["items"][-1]["text"] == "half an ans"
        assert "half an ans" in await place.text(ID, "html") and "half an ans" in await place.text(ID, "markdown")
        first = await place.text(ID, "agentd")
        live.feed(BlockDelta("wer"))
        assert "half an answer" in await place.text(ID, "agentd")
        (await place.opened(ID)).live = None
    async with a_place(tmp_path / "two") as place:
        await place.imported(first)
        session = await place.opened(ID)
        assert texts(session.last) == ["go on", None, "half an ans"]
        assert session.last is not None and session.last.status == "interrupted"
        assert [item.status for item in session.last.items if item.kind == "tool"] == ["interrupted"]
        assert [prompt.prompt for prompt in session.waiting] == ["and then"]
        # It is idle there: nothing had to be ended, so nothing was added.
        assert await place.text(ID, "agentd") == first
        await session.log.append(whole_turn(9))


async def test_what_is_appended_meanwhile_is_not_half_in_it(tmp_path: Path) -> None:
    async with a_place(tmp_path / "one") as place:
        await place.made(whole_turn(1, "x" * 3_000_000))
        session = await place.opened(ID)
        results: list[str] = []

        async def write() -> None:
            for number in range(2, 40):
                async with session.order:
                    await session.log.append(whole_turn(number))

        async def read() -> None:
            results.extend([await place.text(ID, "agentd") for _ in range(4)])

        async with anyio.create_task_group() as group:
            group.start_soon(write)
            group.start_soon(read)
    for number, content in enumerate(results):
        async with a_place(tmp_path / f"copy-{number}") as place:
            await place.imported(content)
            session = await place.opened(ID)
            assert session.last is not None and session.last.status == "completed"
            assert await place.text(ID, "agentd") == content


async def test_a_file_is_whole_private_and_never_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    async with a_place(tmp_path / "one") as place:
        await place.made(whole_turn(1))
        made = await place.export(ID, "html", path=str(target))
        assert made.uri == target.as_uri() and made.content is None and made.bytes == target.stat().st_size
        assert target.stat().st_mode & 0o777 == 0o600
        target.write_text("mine")
        with pytest.raises(InvalidParams, match="exists already"):
            await place.export(ID, "html", path=str(target))
        assert target.read_text() == "mine"
        await place.export(ID, "html", path=str(target), force=True)
        assert target.read_text().startswith("<!DOCTYPE html>")
    assert sorted(os.listdir(tmp_path)) == ["one", "out.html"]


@pytest.mark.parametrize(
    ("name", "file"),
    [(None, "8a3f2b1c.md"), ("Grüße / an: alle?", "Grüße-an-alle.md"), ("../../etc", "etc.md"), ("..", "8a3f2b1c.md")],
)
async def test_in_a_directory_the_file_is_called_after_the_session(tmp_path: Path, name: str | None, file: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    async with a_place(tmp_path / "one") as place:
        await place.made(whole_turn(1), name=name)
        await place.export(ID, "markdown", path=str(out))
    assert [path.name for path in out.iterdir()] == [file]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("relative.html", "must be absolute"),
        ("{tmp}/none/out.html", "does not exist"),
        ("{tmp}/one/data/project/sessions/x.html", "keeps its sessions"),
        ("{tmp}/link", "exists already"),
    ],
)
async def test_paths_that_cannot_be(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    async with a_place(tmp_path / "one") as place:
        await place.made(whole_turn(1))
        with pytest.raises(InvalidParams, match=words):
            await place.export(ID, "html", path=path.format(tmp=tmp_path))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("failing", ["create", "write", "sync", "link", "sync_directory"])
def test_a_failing_disk_leaves_nothing_behind(tmp_path: Path, failing: str) -> None:
    files = FailingFiles()
    files.fails[failing] = (0, BROKEN)
    target = None
    with pytest.raises(OSError):
        target = NewFile(files, tmp_path / "out", force=False)
        target.write(b"some")
        target.finish()
    if target is not None:
        target.discard()
    assert list(tmp_path.iterdir()) == []


def test_with_force_a_failing_disk_leaves_what_was_there(tmp_path: Path) -> None:
    files = FailingFiles()
    files.fails["rename"] = (0, BROKEN)
    (tmp_path / "out").write_text("mine")
    target = NewFile(files, tmp_path / "out", force=True)
    target.write(b"some")
    with pytest.raises(OSError):
        target.finish()
    target.discard()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_without_links_a_file_is_renamed(tmp_path: Path) -> None:
    files = FailingFiles()
    files.fails["link"] = (0, errno.EPERM)
    target = NewFile(files, tmp_path / "out", force=False)
    target.write(b"some")
    target.finish()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["some"]


async def test_too_large_for_an_answer_says_to_give_a_path(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        await place.made([*whole_turn(1, "x" * 9_000_000), *whole_turn(2, "y" * 9_000_000)])
        with pytest.raises(TooLarge, match="give a path"):
            await place.export(ID, "agentd")
        made = await place.export(ID, "agentd", path=str(tmp_path / "out"))
        assert made.bytes > 18_000_000


async def large(place: Place, megabytes: int) -> None:
    """A session of this size; each turn has a reply of 400 kB."""
    log = await place.store.create(new_metadata(ID), ())
    for number in range(1, megabytes * 5 // 2 + 1):
        await log.append(whole_turn(number, f"prompt {number}", ("lorem ipsum dolor `sit` amet " * 14_000)[:400_000]))
    await log.close()


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_large_session_takes_little_memory_and_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    async with a_place(tmp_path / "one") as place:
        await large(place, 40)
        longest = 0.0
        done = anyio.Event()

        async def watch() -> None:
            nonlocal longest
            while not done.is_set():
                begun = anyio.current_time()
                await anyio.sleep(0.005)
                longest = max(longest, anyio.current_time() - begun)

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await place.export(ID, kind, path=str(tmp_path / "warm"))
            tracemalloc.start()
            made = await place.export(ID, kind, path=str(tmp_path / "out"))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            done.set()
    assert made.bytes > 39_000_000
    assert peak < 60_000_000 if kind != "agentd" else peak < 8_000_000
    assert longest < 2
