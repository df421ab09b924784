"""Brings what people point at into a prompt: files, ranges, selections and ``@path`` mentions.

What is on the screen wins over the disk, unsaved text included. What cannot be brought (outside the root, binary,
missing, huge) is told in words, to the model and to the person, and the chat goes on. Reads files; changes nothing.
"""

import asyncio
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from agentd.core.documents import Buffer, OpenDocuments, document_key, file_path, merged
from agentd.core.limits import CONTEXT_LIMIT
from agentd.core.mentions import Mention, cut_lines, cut_range, mentions
from agentd.protocol import ContextItem, ContextText
from agentd.protocol.base import sound_text

FILE_LIMIT = CONTEXT_LIMIT
TOTAL_LIMIT = 512 * 1024
READ_LIMIT = 16 * 1024 * 1024
"""Bytes of a file that are read to find some lines of it."""
MENTION_LIMIT = 100
"""Mentions in one prompt that are looked up: a pasted log may hold thousands of words with an @."""
LONG_PROMPT = 16 * 1024
"""Characters of a prompt that is searched for mentions on a thread."""
SETTLING_AT_ONCE = 4
"""Files that are read at the same time to be compared with buffers: an editor may open all it has."""
README_BYTES = 16 * 1024
README_CHARACTERS = 1200
README_NAMES = ("readme.md", "readme.rst", "readme.txt", "readme")


class Screen:
    """What can be seen of a root: its files, and over them the buffers of the attached clients."""

    def __init__(self, root: Path, documents: OpenDocuments) -> None:
        self._root = root
        self._documents = documents
        self._settling: dict[asyncio.Task[None], str] = {}
        """Comparisons that run, each with its document's key."""
        self._limiter = anyio.CapacityLimiter(SETTLING_AT_ONCE)
        documents.on_open = self._opened

    async def gather(self, prompt: str, items: Sequence[ContextItem]) -> tuple[ContextText, ...]:
        """The texts of a prompt's context items and mentions, each once."""
        texts = [await self._item(item) for item in items]
        if len(prompt) > LONG_PROMPT:
            named = await anyio.to_thread.run_sync(mentions, prompt)
        else:
            named = mentions(prompt)
        mentioned = [await self._mention(mention) for mention in named[:MENTION_LIMIT]]
        if len(named) > MENTION_LIMIT:
            problem = f"left out: only the first {MENTION_LIMIT} are looked up"
            mentioned.append(ContextText(title=f"{len(named) - MENTION_LIMIT} more mentions", problem=problem))
        return _bounded([*texts, *(text for text in mentioned if text is not None)])

    def _opened(self, uri: str) -> None:
        """A client opened this document: from here on its buffer is clean if it is as the disk has it.

        Compared at once, because later the disk may have moved on (a checkout under a clean buffer), and off the loop.
        Who looks at the document meanwhile waits for it. A file that changes in that moment leaves the buffer unsaved:
        rather an old text than a lost one.
        """
        path = path_of(uri)
        if path is not None:
            task = asyncio.get_running_loop().create_task(self._settle(uri, path), name="settle")
            self._settling[task] = document_key(uri)
            task.add_done_callback(self._settling.pop)

    async def _settle(self, uri: str, path: Path) -> None:
        disk = await anyio.to_thread.run_sync(_read_disk, self._root, path, limiter=self._limiter)
        if disk.text is not None:
            self._documents.settle(uri, disk.text)

    async def _item(self, item: ContextItem) -> ContextText:
        if item.type == "text" or item.uri is None:
            title = item.title or ("Text" if item.type == "text" else item.type.capitalize())
            problem = None if item.text else "no text and no uri was given"
            return _limited(ContextText(title=title, text=item.text or None, problem=problem))
        path = path_of(item.uri)
        if path is None:
            return self._other_scheme(item)
        seen = await self._read(path, item.uri, item.title)
        if item.range is not None:
            lines = f"{seen.title}, lines {item.range.start.line + 1} to {item.range.end.line + 1}"
            seen = seen.model_copy(update={"title": lines})
        if seen.text is None and item.text:
            return _limited(seen.model_copy(update={"text": item.text, "problem": None}))
        if seen.text is not None and item.range is not None:
            seen = _cut(seen, cut_range(seen.text, item.range), "there is no text in this range")
        return _limited(seen)

    def _other_scheme(self, item: ContextItem) -> ContextText:
        """An unsaved new document (``untitled:``) is known from its buffer alone."""
        uri = item.uri or ""
        title = item.title or uri
        if buffers := self._documents.of(uri):
            text = buffers[0].text
            cut = cut_range(text, item.range) if item.range else text
            return _limited(ContextText(title=title, uri=uri, text=cut, unsaved=True))
        problem = None if item.text else "not open here"
        return _limited(ContextText(title=title, uri=uri, text=item.text or None, problem=problem))

    async def _mention(self, mention: Mention) -> ContextText | None:
        try:
            path = self._root / Path(mention.path).expanduser()  # noqa: ASYNC240
        except RuntimeError:  # "~stranger" is nobody's home here
            path = self._root / mention.path
        seen = await self._read(path, None, None)
        if seen.text is None and not mention.sure:
            return None  # "@alice" in a sentence is a person, not a missing file
        if seen.text is not None and mention.first is not None:
            last = mention.last or mention.first
            lines = f"line {last}" if last == mention.first else f"lines {mention.first} to {last}"
            seen = seen.model_copy(update={"title": f"{seen.title}, {lines}"})
            text = cut_lines(seen.text or "", mention.first, last)
            seen = _cut(seen, text, f"there is no text there: the file has {len((seen.text or '').splitlines())} lines")
        return _limited(seen)

    async def _read(self, path: Path, uri: str | None, title: str | None) -> ContextText:
        """The document, whole, as it is seen. Its buffers are found under every name of the file."""
        disk = await anyio.to_thread.run_sync(_read_disk, self._root, path)
        uri = uri or disk.real.as_uri()
        title = title or sound_text(self._short(disk.real, path))
        if disk.outside:
            return ContextText(title=title, uri=uri, problem="outside the workspace, so it was not read")
        buffers = await self._buffers(path, disk.real)
        if disk.text is not None:
            for buffer in buffers:
                self._documents.settle(buffer.uri, disk.text)
        seen = merged(buffers, disk.text)
        if seen is None:
            return ContextText(title=title, uri=uri, problem=disk.problem)
        return ContextText(title=title, uri=uri, text=seen.text, unsaved=seen.unsaved or None)

    async def _buffers(self, path: Path, real: Path) -> tuple[Buffer, ...]:
        """An editor names a file by the path that it was opened by, which may lead through links."""
        keys = [f"file://{path}", f"file://{real}"]
        open_paths = [key.removeprefix("file://") for key in self._documents.open_keys() if key.startswith("file:///")]
        if open_paths:
            keys += await anyio.to_thread.run_sync(_same_file, open_paths, real)
        if settling := [task for task, key in self._settling.items() if key in keys]:
            await asyncio.wait(settling)
        found = {buffer.touched: buffer for key in keys for buffer in self._documents.of_key(key)}
        return tuple(found[touched] for touched in sorted(found, reverse=True))

    def _short(self, real: Path, path: Path) -> str:
        for name in (path, real):
            if name.is_relative_to(self._root) and ".." not in name.parts:
                return str(name.relative_to(self._root))
        return str(path)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a path leads to: a text, or in words why there is none. ``outside``: it leaves the root."""

    real: Path
    text: str | None = None
    problem: str | None = None
    outside: bool = False


def path_of(uri: str) -> Path | None:
    """The path of a ``file:`` URI or of a plain absolute path; None for another scheme."""
    path = uri if uri.startswith("/") else file_path(uri)
    return None if path is None else Path(path)


def _same_file(open_paths: Sequence[str], real: Path) -> list[str]:
    """The keys of those paths that lead to the file."""
    wanted = str(real)
    return [f"file://{path}" for path in open_paths if "\0" not in path and os.path.realpath(path) == wanted]


def _read_disk(root: Path, path: Path) -> OnDisk:
    """A file's text. Links are resolved first; only regular files are read, and opened so that no pipe can hang us."""
    real = path
    try:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(root)):
            return OnDisk(real, outside=True)
        content = _content(real, READ_LIMIT, READ_LIMIT)
    except _NoText as error:
        return OnDisk(real, problem=str(error))
    except FileNotFoundError:
        return OnDisk(real, problem="there is no such file")
    except (OSError, ValueError) as error:
        return OnDisk(real, problem=(isinstance(error, OSError) and error.strerror) or "unreadable")
    try:
        return OnDisk(real, content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return OnDisk(real, content.decode("latin-1"))


class _NoText(Exception):
    """There is something, but no text; the message says what."""


def _content(path: Path, limit: int, most: int) -> bytes:
    """At most ``most`` bytes of a regular file of text that has at most ``limit``. Raises OSError, or _NoText."""
    # Before opening, because opening a device may do something; and after it, because names may change between.
    _expect_regular(path.stat(), limit)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _expect_regular(os.fstat(descriptor), limit)
        content = file.read(most)
    if b"\0" in content[:8192]:
        raise _NoText("a binary file")
    return content


def _expect_regular(status: os.stat_result, limit: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise _NoText("a directory: name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise _NoText("not a regular file")
    if status.st_size > limit:
        raise _NoText(f"too large ({status.st_size:,} bytes)")


def _cut(seen: ContextText, text: str, problem: str) -> ContextText:
    """A part of what is seen, or in words that there is none."""
    return seen.model_copy(update={"text": text or None, "problem": None if text else problem})


def _limited(text: ContextText) -> ContextText:
    size = len(text.text or "")
    if size <= FILE_LIMIT:
        return text
    problem = f"too large ({size:,} characters): name some lines of it, as in @path:1-200"
    return text.model_copy(update={"text": None, "problem": problem})


def _bounded(texts: Sequence[ContextText]) -> tuple[ContextText, ...]:
    """Each text once, and all of them within ``TOTAL_LIMIT`` characters: what is left out is told."""
    kept: dict[tuple[str, str | None], ContextText] = {}
    left = TOTAL_LIMIT
    for text in texts:
        key = (text.title, text.text)
        if key in kept:
            continue
        size = len(text.text or "")
        if size > left:
            kept[key] = text.model_copy(update={"text": None, "problem": "left out: the prompt's context is full"})
            continue
        left -= size
        kept[key] = text
    return tuple(kept.values())


async def readme_head(root: Path) -> str | None:
    """The first lines of the project's README, for a model that cannot look for itself."""
    return await anyio.to_thread.run_sync(_readme_head, root)


def _readme_head(root: Path) -> str | None:
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.name.lower() in README_NAMES)
    except OSError:
        return None
    for name in sorted(names, key=lambda name: README_NAMES.index(name.lower())):
        try:
            real = Path(os.path.realpath(root / name))
            if real.is_relative_to(os.path.realpath(root)):
                text = _content(real, sys.maxsize, README_BYTES).decode("utf-8-sig", "ignore").strip()
                if text:
                    return text[:README_CHARACTERS]
        except (OSError, _NoText):
            continue
    return None
