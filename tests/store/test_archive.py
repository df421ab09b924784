"""The ``agentd`` format: what goes in comes out, byte for byte; what is damaged is named and costs itself alone."""

import asyncio
import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.metadata import Metadata
from agentd.core.records import mark_draft, system_draft
from agentd.errors import AgentdError, ImportFailed
from agentd.store.api import QueuedPrompt
from agentd.store.files import Files
from agentd.store.project import FileStore
from agentd.store.session_log import FileSessionLog
from agentd.store.transfer.archive import write_archive
from agentd.store.transfer.parts import Part, parts_of, snapshot
from agentd.store.transfer.reading import Archive, is_archive
from agentd.store.transfer.source import Text
from agentd.store.transfer.unpacking import documents, unpacker
from tests.store.support import TIME, a_store, end_of, new_metadata, ours, start_of, texts, whole_turn

pytestmark = pytest.mark.anyio

FILES = Files()
BYTES = st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


def export(log: FileSessionLog, notes: Sequence[Path] = ()) -> bytes:
    taken = snapshot(log, log.metadata, queued=log.queued, documents=notes)
    out = bytearray()
    size = write_archive(FILES, log.id, parts_of(FILES, taken), out.extend)
    assert size == len(out)
    return bytes(out)


async def imported(store: FileStore, data: bytes, session_id: str | None = None) -> tuple[FileSessionLog, list[str]]:
    archive = Archive(Text(data))
    wanted = session_id or archive.session_id or "lost"
    log = await store.receive(wanted, unpacker(archive, session_id or log_id(data), lambda said: said))
    return log, archive.problems


def log_id(data: bytes) -> str:
    return Archive(Text(data)).session_id or "lost"


def archive_of(**parts: bytes) -> bytes:
    out = bytearray()
    made = [Part(name.replace("__", "/").replace("_dot_", "."), data) for name, data in parts.items()]
    write_archive(FILES, "some-id", made, out.extend)
    return bytes(out)


def read_all(data: bytes) -> tuple[dict[str, bytes], list[str]]:
    archive = Archive(Text(data))
    return {entry.name: b"".join(archive.chunks(entry)) for entry in archive.entries}, archive.problems


@settings(max_examples=150)
@given(st.dictionaries(st.text(min_size=1, max_size=30), BYTES, max_size=6))
def test_any_parts_come_out_as_they_went_in(contents: dict[str, bytes]) -> None:
    out = bytearray()
    write_archive(FILES, "some-id", [Part(name, data) for name, data in contents.items()], out.extend)
    assert read_all(bytes(out)) == (contents, [])
    assert is_archive(bytes(out))
    bytes(out).decode()


@settings(max_examples=100)
@given(contents=st.lists(BYTES, min_size=1, max_size=4), data=st.data())
def test_one_wrong_byte_costs_one_part_at_most(contents: list[bytes], data: st.DataObject) -> None:
    parts = {f"part-{number}": content for number, content in enumerate(contents)}
    out = bytearray()
    write_archive(FILES, "some-id", [Part(name, content) for name, content in parts.items()], out.extend)
    place = data.draw(st.integers(0, len(out) - 1))
    out[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != out[place]))
    found, problems = read_all(bytes(out))
    damaged = [name for name, content in parts.items() if found.get(name) != content]
    assert len(damaged) <= 1
    assert all(any(name in problem for problem in problems) for name in damaged)


@settings(max_examples=100)
@given(st.lists(BYTES, min_size=1, max_size=4), st.data())
def test_a_cut_off_archive_gives_what_came_before_the_cut(contents: list[bytes], data: st.DataObject) -> None:
    out = bytearray()
    write_archive(FILES, "some-id", [Part(f"p{n}", content) for n, content in enumerate(contents)], out.extend)
    end = data.draw(st.integers(bytes(out).index(b"\n--") + 60, len(out) - 1))
    archive = Archive(Text(bytes(out[:end])))
    whole = [entry for entry in archive.entries if entry.start + entry.described.stored < end]
    for entry in whole:
        assert b"".join(archive.chunks(entry)) == contents[int(entry.name[1:])]
    assert archive.problems or end == len(out) - 1


@settings(max_examples=40)
@given(st.lists(BYTES, min_size=2, max_size=4), st.data(), st.binary(min_size=1, max_size=9))
def test_bytes_that_came_in_shift_nothing_else(contents: list[bytes], data: st.DataObject, more: bytes) -> None:
    out = bytearray()
    write_archive(FILES, "some-id", [Part(f"p{n}", content) for n, content in enumerate(contents)], out.extend)
    at = data.draw(st.integers(0, len(out) - 1))
    found, problems = read_all(bytes(out[:at] + more + out[at:]))
    assert sum(found.get(f"p{n}") != content for n, content in enumerate(contents)) <= 1
    assert problems or found == {f"p{n}": content for n, content in enumerate(contents)}


def test_a_document_that_looks_like_a_part_is_none() -> None:
    inner = archive_of(x=b"hello")
    found, problems = read_all(archive_of(documents__a_dot_md=inner, last=b"end"))
    assert found == {"documents/a.md": inner, "last": b"end"} and not problems


@pytest.mark.parametrize("content", [b"", b"{}", b"hello\n", b'{"format":"agentd-session"}\n', b"\x00" * 5000])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ImportFailed):
        Archive(Text(content))


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    data = archive_of(x=b"1").replace(b'"version":1', b'"version":2', 1)
    with pytest.raises(ImportFailed, match="Update agentd"):
        Archive(Text(data))


RECORDS = st.lists(st.sampled_from(["turn", "long", "system", "clear", "rewind", "open"]), min_size=0, max_size=8)


@settings(max_examples=40)
@given(kinds=RECORDS, text=st.text(max_size=60), name=st.none() | st.text(min_size=1, max_size=40), damage=st.data())
def test_export_import_export_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], text: str, name: str | None, damage: st.DataObject
) -> None:
    """Also of a transcript that is damaged: torn, with wrong bytes, with further segments, with void records."""
    text = text.encode("utf-8", "replace").decode()
    name = name.encode("utf-8", "replace").decode() if name else None
    place = tmp_path_factory.mktemp("round")

    async def main() -> None:
        async with a_store(place / "one") as store:
            metadata = new_metadata().changed(name=name, tags=("a", text), metadata={"mine": {"deep": [1, text]}})
            log = ours(await store.create(metadata, ()))
            number = 0
            for kind in kinds:
                if kind in ("turn", "long", "open"):
                    number += 1
                drafts = {
                    "turn": lambda n: whole_turn(n, text, text),
                    "long": lambda n: whole_turn(n, text * 50, "x" * 5000),
                    "open": lambda n: start_of(n, text),
                    "system": lambda n: [system_draft(text)],
                    "clear": lambda n: [mark_draft("clear", n)],
                    "rewind": lambda n: [mark_draft("rewind", max(n - 1, 0))],
                }[kind](number)
                await log.append(drafts)
            if damage.draw(st.booleans()):
                await log.enqueue(QueuedPrompt(number + 3, text or "later", TIME))
            await log.close()
            transcript = log.directory / "transcript.jsonl"
            content = bytearray(transcript.read_bytes())
            for _ in range(damage.draw(st.integers(0, 3)) if content else 0):
                content[damage.draw(st.integers(0, len(content) - 1))] = damage.draw(st.integers(0, 255))
            transcript.write_bytes(content[: len(content) - damage.draw(st.integers(0, min(40, len(content))))])
            blob = damage.draw(BYTES)
            (log.directory / "blobs").mkdir()
            (log.directory / "blobs" / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
            note = place / "notes.md"
            note.write_bytes(damage.draw(BYTES))
            opened = ours(await store.open(log.id))
            first = export(opened, [note])
            assert export(opened, [note]) == first
            assert first.decode()
        async with a_store(place / "two") as other:
            copy, problems = await imported(other, first)
            assert not problems and copy.id == opened.id
            kept = {name: Archive(Text(first)).read(entry, 1 << 20) for name, entry in documents(Archive(Text(first)))}
            assert kept == {"notes.md": note.read_bytes()}
            assert export(copy, [note]) == first
            await copy.append(whole_turn(90))
            assert texts(copy.last)[0] == "prompt 90"

    asyncio.run(main())


async def test_an_id_that_is_taken_is_all_that_differs(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        log = ours(await store.create(new_metadata(), whole_turn(1)))
        first = export(log)
        copy, problems = await imported(store, first, str(uuid.uuid4()))
        again = export(copy)
        assert not problems and copy.id != log.id
        theirs, _ = read_all(again)
        ours_, _ = read_all(first)
        assert json.loads(theirs.pop("metadata.json")) | {"id": log.id} == json.loads(ours_.pop("metadata.json"))
        assert theirs == ours_


async def test_what_is_void_or_of_a_further_segment_comes_along(tmp_path: Path) -> None:
    async with a_store(tmp_path / "one") as store:
        log = ours(await store.create(new_metadata(), whole_turn(1)))
        with (log.directory / "transcript.jsonl").open("ab") as file:
            file.write(b'{"v":1,"seq":99,"turn":7,"time":"","kind":"text","text":"never acknowledged"}\n')
        await log.append(whole_turn(2))
        await log.append(whole_turn(3))
        assert len(log.segments) == 2
        first = export(log)
        assert b"never acknowledged" in first
        async with a_store(tmp_path / "two") as other:
            copy, problems = await imported(other, first)
            assert not problems and export(copy) == first
            page = await copy.page(None, 10)
            assert [turn.number for turn in page.turns] == [1, 2, 3]


async def test_a_turn_that_runs_is_exported_as_interrupted(tmp_path: Path) -> None:
    async with a_store(tmp_path / "one") as store:
        log = ours(await store.create(new_metadata(), whole_turn(1)))
        await log.append(start_of(2, "go on"))
        taken = snapshot(log, log.metadata, owed=end_of(2, "half a rep", status="interrupted"))
        out = bytearray()
        parts = parts_of(FILES, taken)
        await log.append(end_of(2, "half a reply", "and more"))
        write_archive(FILES, log.id, parts, out.extend)
        async with a_store(tmp_path / "two") as other:
            copy, problems = await imported(other, bytes(out))
            assert not problems and texts(copy.last) == ["go on", "half a rep"]
            assert copy.last is not None and copy.last.status == "interrupted"
            assert export(copy) == bytes(out)


async def test_each_byte_of_metadata_can_be_wrong(tmp_path: Path) -> None:
    """The session is imported all the same, under an id that is one."""
    async with a_store(tmp_path / "one") as store:
        log = ours(await store.create(new_metadata().changed(name="called so"), whole_turn(1)))
        data = export(log)
    start = data.index(b'{\n  "version"')
    async with a_store(tmp_path / "two") as other:
        for place in range(start, start + 160, 7):
            wrong = data[:place] + b"\x01" + data[place + 1 :]
            copy, problems = await imported(other, wrong, str(uuid.uuid4()))
            assert any("metadata.json" in problem for problem in problems)
            assert copy.metadata.id == copy.id and texts(copy.last) == ["prompt 1", "reply 1"]
            await copy.close()


async def test_an_archive_without_a_session_leaves_nothing(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        with pytest.raises(AgentdError, match="nothing was imported"):
            archive = Archive(Text(archive_of(documents__a_dot_md=b"x")))
            await store.receive("some-id", unpacker(archive, "some-id", lambda said: said))
        assert not list((tmp_path / "project" / "sessions").iterdir())


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/etc/evil", "blobs/../evil", "journal.jsonl", "documents/../x.md", "a\x00b", "transcript.01.jsonl"],
)
async def test_a_hostile_part_is_written_nowhere(tmp_path: Path, name: str) -> None:
    out = bytearray()
    meta = Metadata(id="some-id", created=TIME, last_active=TIME).dump_json()
    parts = [Part("metadata.json", meta), Part("transcript.jsonl", b""), Part(name, b"evil")]
    write_archive(FILES, "some-id", parts, out.extend)
    async with a_store(tmp_path / "deep" / "er") as store:
        log, problems = await imported(store, bytes(out))
        assert sorted(path.name for path in log.directory.iterdir()) == ["metadata.json", "transcript.jsonl"]
        assert any("left out" in problem for problem in problems)
        await log.close()
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if "evil" in name]
