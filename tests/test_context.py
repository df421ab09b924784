"""What people point at, with real files: the screen over the disk, and in words what cannot be brought."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentd.context import FILE_LIMIT, MENTION_LIMIT, README_CHARACTERS, TOTAL_LIMIT, Screen, path_of, readme_head
from agentd.core.documents import OpenDocuments
from agentd.protocol import ContextItem, ContextText, Position, Range

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(30)]


@contextmanager
def acting_as_owner(directory: Path) -> Iterator[None]:
    acting, owner = os.geteuid(), directory.stat().st_uid
    if owner != acting:
        os.seteuid(0)
    yield
    os.seteuid(acting)


class Desk:
    """A project, and the screen before it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents = OpenDocuments()
        self.screen = Screen(root, self.documents)

    def file(self, name: str, content: str | bytes = "text\n") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def see(self, prompt: str = "", *items: ContextItem) -> list[ContextText]:
        with anyio.fail_after(10):
            return list(await self.screen.gather(prompt, items))

    async def one(self, prompt: str = "", *items: ContextItem) -> ContextText:
        (only,) = await self.see(prompt, *items)
        return only


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    root = tmp_path / "project"
    root.mkdir()
    return Desk(root)


def item(path: Path, kind: Any = "file", **fields: Any) -> ContextItem:
    return ContextItem(type=kind, uri=path.as_uri(), **fields)


def lines(first: int, last: int) -> Range:
    return Range(start=Position(line=first, character=0), end=Position(line=last, character=0))


async def test_a_mention_brings_the_file(desk: Desk) -> None:
    path = desk.file("src/a b.py", "x = 1\n")
    assert await desk.one('see @"src/a b.py"') == ContextText(title="src/a b.py", text="x = 1\n", uri=path.as_uri())


async def test_unsaved_text_beats_the_disk_and_saved_text_does_not(desk: Desk) -> None:
    path = desk.file("a.py", "disk\n")
    desk.documents.opened(1, path.as_uri(), "disk\n", 1)
    assert (await desk.one("@a.py")).unsaved is None
    desk.documents.changed(1, path.as_uri(), "screen\n", 2)
    seen = await desk.one("@a.py")
    assert (seen.text, seen.unsaved) == ("screen\n", True)
    path.write_text("screen\n")
    desk.documents.saved(1, path.as_uri())
    path.write_text("formatted by a hook\n")
    seen = await desk.one("@a.py")
    assert (seen.text, seen.unsaved) == ("formatted by a hook\n", None)


async def test_a_document_that_was_clean_when_opened_is_not_unsaved_after_a_checkout(desk: Desk) -> None:
    path = desk.file("a.py", "\ufeffold\r\n")
    desk.documents.opened(1, path.as_uri(), "old\n", 1)
    desk.documents.opened(1, "untitled:1", "draft", 1)
    desk.documents.opened(1, (desk.root / "none.py").as_uri(), "new", 1)
    assert (await desk.one("@a.py")).unsaved is None
    path.write_text("new\n")
    assert (await desk.one("@a.py")).text == "new\n"
    assert (await desk.one("@none.py")).unsaved is True


@pytest.mark.parametrize("spelling", ["file:{}/a%62.py", "file://localhost{}/ab.py", "file://{}/ab%2Epy", "{}/ab.py"])
async def test_a_buffer_is_found_however_its_uri_is_spelled(desk: Desk, spelling: str) -> None:
    desk.file("ab.py", "disk")
    uri = spelling.format(desk.root)
    if uri.startswith("file:"):
        desk.documents.opened(1, uri, "screen", 1)
        assert (await desk.one("@./x/../ab.py")).text == "screen"
    assert (await desk.one("", ContextItem(type="file", uri=uri))).title == "ab.py"


async def test_a_buffer_is_found_under_a_link_to_the_root_or_to_the_file(desk: Desk, tmp_path: Path) -> None:
    """macOS's /tmp and homes behind links: the root is the real path, the editor's URI is not."""
    desk.file("a.py", "disk")
    (tmp_path / "link").symlink_to(desk.root)
    (desk.root / "b.py").symlink_to("a.py")
    desk.documents.opened(1, (tmp_path / "link" / "a.py").as_uri(), "screen", 1)
    for prompt in ("@a.py", "@b.py"):
        assert (await desk.one(prompt)).text == "screen"
    assert (await desk.one("", item(tmp_path / "link" / "b.py"))).text == "screen"


async def test_a_new_file_is_known_from_its_buffer(desk: Desk) -> None:
    desk.documents.opened(1, (desk.root / "new.py").as_uri(), "draft", 1)
    desk.documents.opened(1, "untitled:Untitled-1", "a\nb\nc", 1)
    assert (await desk.one("@new.py")).text == "draft"
    seen = await desk.one("", ContextItem(type="selection", uri="untitled:Untitled-1", range=lines(1, 2)))
    assert (seen.text, seen.unsaved) == ("b\n", True)
    lost = await desk.one("", ContextItem(type="file", uri="untitled:Untitled-2"))
    assert (lost.text, lost.problem) == (None, "not open here")


async def test_lines_of_a_mention(desk: Desk) -> None:
    desk.file("a.py", "".join(f"line {number}\r\n" for number in range(1, 101)))
    seen = await desk.one("@a.py:10-40")
    assert seen.title == "a.py, lines 10 to 40"
    assert seen.text is not None
    assert seen.text.split() == " ".join(f"line {number}" for number in range(10, 41)).split()
    assert (await desk.one("@a.py:12-11")).title == "a.py, lines 11 to 12"
    assert (await desk.one("@a.py:100")).text == "line 100"
    beyond = await desk.one("@a.py:101-" + "9" * 5000)
    assert (beyond.text, beyond.problem) == (None, "there is no text there: the file has 100 lines")


async def test_some_lines_of_a_file_that_is_too_large_for_a_prompt(desk: Desk) -> None:
    desk.file("big.log", "0123456789\n" * 200_000)
    whole = await desk.one("@big.log")
    assert whole.text is None
    assert whole.problem == "too large (2,200,000 characters): name some lines of it, as in @path:1-200"
    assert (await desk.one("@big.log:150000")).text == "0123456789"


async def test_ranges_and_selections(desk: Desk) -> None:
    path = desk.file("a.py", "one\ntwo\nthree\n")
    seen = await desk.one("", item(path, "range", range=lines(1, 2)))
    assert (seen.title, seen.text) == ("a.py, lines 2 to 3", "two\n")
    empty = await desk.one("", item(path, "selection", range=lines(7, 9)))
    assert (empty.text, empty.problem) == (None, "there is no text in this range")
    gone = await desk.one("", item(desk.root / "gone.py", "selection", range=lines(0, 1), text="as selected"))
    assert (gone.text, gone.problem) == ("as selected", None)


async def test_a_text_of_the_clients(desk: Desk) -> None:
    seen = await desk.see("", ContextItem(type="text", text="output", title="pytest"), ContextItem(type="text"))
    assert [(text.title, text.text, text.problem) for text in seen] == [
        ("pytest", "output", None),
        ("Text", None, "no text and no uri was given"),
    ]
    assert (await desk.one("", ContextItem(type="text", text="x" * (FILE_LIMIT + 1)))).text is None


async def test_what_leads_out_of_the_root_is_not_read(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (desk.root / "link.txt").symlink_to(secret)
    (desk.root / "dir").symlink_to(tmp_path)
    for prompt in ("@link.txt", "@../secret.txt", f"@{secret}", "@dir/secret.txt", "@~/.bashrc"):
        seen = await desk.one(prompt)
        assert (seen.text, seen.problem) == (None, "outside the workspace, so it was not read"), prompt
    desk.documents.opened(1, secret.as_uri(), "secret", 1)
    assert (await desk.one("", item(secret))).text is None


async def test_what_is_no_text_is_told_in_words(desk: Desk) -> None:
    desk.file("a.bin", b"\x7fELF\0\0")
    os.truncate(desk.file("huge.txt"), 1 << 40)
    (desk.root / "dir").mkdir()
    os.mkfifo(desk.root / "pipe.txt")
    (desk.root / "loop.txt").symlink_to("loop.txt")
    expected = {
        "@a.bin": "a binary file",
        "@huge.txt": f"too large ({1 << 40:,} bytes)",
        "@dir/": "a directory: name a file in it",
        "@pipe.txt": "not a regular file",
        "@loop.txt": "Too many levels of symbolic links",
        "@none.txt": "there is no such file",
        "@a.bin/x.txt": "Not a directory",
        f"@{'x' * 300}.txt": "File name too long",
        '@"a\0b"': "unreadable",
        "@~stranger/x": "there is no such file",
    }
    for prompt, problem in expected.items():
        seen = await desk.one(prompt)
        assert (seen.text, seen.problem) == (None, problem), prompt


@pytest.fixture
def anybody() -> Iterator[Path]:
    """A directory that anybody may read. Root may read everything, so it is nobody meanwhile."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        before = os.geteuid()
        if before == 0:
            os.seteuid(nobody)
        yield Path(directory).resolve()
        os.seteuid(before)


def test_what_may_not_be_read_is_told(anybody: Path) -> None:
    """Not asynchronous: the event loop's own files are not nobody's."""
    for name in ("closed.txt", "shut/a.txt"):
        with acting_as_owner(anybody):
            path = anybody / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("secret")
            (path if path.parent == anybody else path.parent).chmod(0)
        seen = anyio.run(Desk(anybody).one, f"@{name}")
        assert (seen.text, seen.problem) == (None, "Permission denied")
        with acting_as_owner(anybody):
            (path if path.parent == anybody else path.parent).chmod(0o700)


async def test_encodings(desk: Desk) -> None:
    desk.file("latin.txt", "größe\n".encode("latin-1"))
    desk.file("bom.txt", b"\xef\xbb\xbfhi\n")
    desk.file("empty.txt", b"")
    desk.file(os.fsdecode(b"\xff.txt"), "named in latin-1")
    assert (await desk.one("@latin.txt")).text == "größe\n"
    assert (await desk.one("@bom.txt")).text == "hi\n"
    assert (await desk.one("@empty.txt")).text == ""
    seen = await desk.one("", ContextItem(type="file", uri=f"file://{desk.root}/%ff.txt"))
    assert seen.text == "named in latin-1"
    seen.dump_json()


async def test_people_and_decorators_are_no_missing_files(desk: Desk) -> None:
    assert await desk.see("ask @alice, a@b.c, `@x.y` and @app.route('/')") == []
    assert [text.problem for text in await desk.see("@a.py:3")] == ["there is no such file"]


async def test_each_text_once_and_all_of_them_within_a_limit(desk: Desk) -> None:
    path = desk.file("a.py", "same")
    assert len(await desk.see("@a.py and @./a.py, @a.py", item(path))) == 1
    for name in "bcd":
        desk.file(f"{name}.txt", name * (TOTAL_LIMIT * 2 // 5))
    seen = await desk.see("@b.txt @c.txt @d.txt @a.py")
    assert [bool(text.text) for text in seen] == [True, True, False, True]
    assert seen[2].problem == "left out: the prompt's context is full"
    assert sum(len(text.text or "") for text in seen) <= TOTAL_LIMIT


async def test_a_prompt_full_of_mentions_is_bounded(desk: Desk) -> None:
    seen = await desk.see(" ".join(f"@f{number}.py" for number in range(MENTION_LIMIT + 5)))
    assert len(seen) == MENTION_LIMIT + 1
    assert seen[-1].title == "5 more mentions"


@pytest.mark.parametrize("uri", ["file://[x", "http://x/y", "", "file:", "/a\0b", "vscode-notebook-cell:/a#b"])
async def test_any_uri_is_answered_in_words(desk: Desk, uri: str) -> None:
    seen = await desk.one("", ContextItem(type="file", uri=uri))
    assert seen.text is None
    assert seen.problem


def test_paths_of_uris() -> None:
    assert path_of("/a/b") == Path("/a/b")
    assert path_of("file:///a%20b#c") == Path("/a b#c")
    assert path_of("untitled:x") is None


async def test_the_readmes_head(desk: Desk, tmp_path: Path) -> None:
    assert await readme_head(desk.root) is None
    desk.file("README", "\n\n")
    (desk.root / "README.md").mkdir()
    desk.file("Readme.rst", b"\xef\xbb\xbfTitle\n" + "é".encode() * (1 << 20))
    head = await readme_head(desk.root)
    assert head is not None
    assert head.startswith("Title\né")
    assert len(head) == README_CHARACTERS
    (desk.root / "README.md").rmdir()
    os.mkfifo(desk.root / "README.md")
    with anyio.fail_after(5):
        assert await readme_head(desk.root) == head
    (desk.root / "README.md").unlink()
    (tmp_path / "outside.md").write_text("secret")
    (desk.root / "README.md").symlink_to(tmp_path / "outside.md")
    assert await readme_head(desk.root) == head
    assert await readme_head(tmp_path / "nowhere") is None
