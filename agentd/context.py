"""Brings what people point at into a prompt: files, ranges, selections and ``@path`` mentions.

What is on the screen wins over the disk, unsaved text included. What cannot be brought (outside the root, binary,
missing, huge) is told in words, to the model and to the person, and the chat goes on. Reads files; changes nothing.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio.to_thread

from agentd.core.documents import OpenDocuments, merged
from agentd.core.mentions import Mention, cut_lines, cut_range, mentions
from agentd.protocol import ContextItem, ContextText

FILE_LIMIT = 256 * 1024
"""Bytes of one file that travel with a prompt."""
TOTAL_LIMIT = 512 * 1024
README_CHARACTERS = 1200
README_NAMES = ("README.md", "README.rst", "README.txt", "README", "readme.md")


class Screen:
    """What can be seen of a root: its files, and over them the buffers of the attached clients."""

    def __init__(self, root: Path, documents: OpenDocuments) -> None:
        self._root = root
        self._documents = documents

    async def gather(self, prompt: str, items: Sequence[ContextItem]) -> tuple[ContextText, ...]:
        """The texts of a prompt's context items and mentions, each once."""
        texts = [await self._item(item) for item in items]
        mentioned = [await self._mention(mention) for mention in mentions(prompt)]
        return _bounded([*texts, *(text for text in mentioned if text is not None)])

    async def _item(self, item: ContextItem) -> ContextText:
        if item.type == "text" or item.uri is None:
            title = item.title or ("Text" if item.type == "text" else item.type.capitalize())
            problem = None if item.text else "no text and no uri was given"
            return ContextText(title=title, text=item.text, problem=problem)
        path = path_of(item.uri)
        if path is None:
            return await self._other_scheme(item)
        title = item.title or self._short(path)
        if item.range is not None:
            title += f", lines {item.range.start.line + 1} to {item.range.end.line + 1}"
        seen = await self._read(path, item.uri, title)
        if seen.text is None and item.text:
            return seen.model_copy(update={"text": item.text, "problem": None})
        if seen.text is not None and item.range is not None:
            return seen.model_copy(update={"text": cut_range(seen.text, item.range)})
        return seen

    async def _other_scheme(self, item: ContextItem) -> ContextText:
        """An unsaved new document (``untitled:``) is known from its buffer alone."""
        uri = item.uri or ""
        title = item.title or uri
        if buffers := self._documents.of(uri):
            text = buffers[0].text
            cut = cut_range(text, item.range) if item.range else text
            return ContextText(title=title, uri=uri, text=cut, unsaved=True)
        return ContextText(title=title, uri=uri, text=item.text, problem=None if item.text else "not open here")

    async def _mention(self, mention: Mention) -> ContextText | None:
        path = self._root / Path(mention.path).expanduser()  # noqa: ASYNC240
        seen = await self._read(path, path.as_uri(), self._short(path))
        if seen.text is None and not mention.sure:
            return None  # "@alice" in a sentence is a person, not a missing file
        if seen.text is not None and mention.first is not None:
            last = mention.last or mention.first
            title = f"{seen.title}, lines {mention.first} to {last}"
            text = cut_lines(seen.text, mention.first, last)
            problem = None if text else f"the file has fewer than {mention.first} lines"
            return seen.model_copy(update={"title": title, "text": text or None, "problem": problem})
        return seen

    async def _read(self, path: Path, uri: str, title: str) -> ContextText:
        disk = await anyio.to_thread.run_sync(_read_disk, self._root, path)
        if isinstance(disk, Outside):
            return ContextText(title=title, uri=uri, problem="outside the workspace, so it was not read")
        buffers = self._documents.of(uri)
        seen = merged(buffers, disk if isinstance(disk, str) else None)
        if seen is None:
            return ContextText(title=title, uri=uri, problem=disk.why if isinstance(disk, Unreadable) else "not there")
        if len(seen.text) > FILE_LIMIT:
            return ContextText(title=title, uri=uri, problem=f"too large ({len(seen.text):,} characters)")
        return ContextText(title=title, uri=uri, text=seen.text, unsaved=seen.unsaved or None)

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)


class Outside:
    """The path leaves the root, by its name or by a link."""


class Unreadable:
    """There is no text to be had, and ``why`` says so in words."""

    def __init__(self, why: str) -> None:
        self.why = why


def path_of(uri: str) -> Path | None:
    """The path of a ``file:`` URI or of a plain absolute path; None for another scheme."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if uri.startswith("/") else None


def _read_disk(root: Path, path: Path) -> str | Outside | Unreadable:
    """A file's text. Links are resolved first; only regular files are opened, so that no device or pipe can hang us."""
    try:
        real = path.resolve()
        if not real.is_relative_to(root.resolve()):
            return Outside()
        status = real.stat()
        if stat.S_ISDIR(status.st_mode):
            return Unreadable("a directory: name a file in it")
        if not stat.S_ISREG(status.st_mode):
            return Unreadable("not a regular file")
        if status.st_size > FILE_LIMIT * 4:
            return Unreadable(f"too large ({status.st_size:,} bytes)")
        content = real.read_bytes()
    except FileNotFoundError:
        return Unreadable("there is no such file")
    except (OSError, ValueError) as error:
        return Unreadable(os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "unreadable")
    if b"\0" in content[:8192]:
        return Unreadable("a binary file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


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
    for name in README_NAMES:
        text = await anyio.to_thread.run_sync(_read_disk, root, root / name)
        if isinstance(text, str) and text.strip():
            return text.strip()[:README_CHARACTERS]
    return None
