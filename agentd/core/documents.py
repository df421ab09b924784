"""What is on people's screens: the buffers of every attached client, merged over the disk.

Two clients may hold one file. LSP does not say "dirty": a buffer is clean if its text is the disk's (line ends and BOM
normalised) or it had no change since it was. A dirty buffer beats the disk, the one typed in last beats the others;
clean buffers say nothing that the disk does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Buffer:
    """One client's text of one document. ``touched`` orders changes over all clients, the latest is the highest."""

    peer: int
    uri: str
    text: str
    version: int
    changed: bool = False
    touched: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A document as a person sees it. ``unsaved``: the text is a buffer's and differs from the disk's."""

    text: str
    unsaved: bool


class OpenDocuments:
    """Every buffer of every client, by client and URI. Pure bookkeeping: each call is one notification."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[int, str], Buffer] = {}
        self._clock = 0
        self.on_open: Callable[[str], None] | None = None
        """Told the URI of each document that is opened, so that somebody compares it with the disk: ``settle``."""

    def opened(self, peer: int, uri: str, text: str, version: int) -> None:
        """``textDocument/didOpen``. The text may differ from the disk's already (a restored, unsaved buffer)."""
        self.changed(peer, uri, text, version)
        if self.on_open is not None:
            self.on_open(uri)

    def changed(self, peer: int, uri: str, text: str, version: int) -> None:
        """``textDocument/didChange``, with the whole text as it is now."""
        self._buffers[peer, document_key(uri)] = Buffer(peer, uri, text, version, changed=True, touched=self._tick())

    def saved(self, peer: int, uri: str) -> None:
        """``textDocument/didSave``: the buffer is what the disk holds."""
        if buffer := self._buffers.get((peer, document_key(uri))):
            self._buffers[peer, document_key(uri)] = replace(buffer, changed=False)

    def settle(self, uri: str, disk: str) -> None:
        """The disk holds ``disk`` now. A buffer that has the same text is clean until it is changed, whatever becomes
        of the disk meanwhile: a checkout under an open file makes nobody's buffer unsaved work."""
        plain = normalised(disk)
        for buffer in self.of(uri):
            if buffer.changed and normalised(buffer.text) == plain:
                self.saved(buffer.peer, buffer.uri)

    def closed(self, peer: int, uri: str) -> None:
        self._buffers.pop((peer, document_key(uri)), None)

    def dropped(self, peer: int) -> None:
        """The client is gone, and what it had not saved with it."""
        for key in [key for key in self._buffers if key[0] == peer]:
            del self._buffers[key]

    def of(self, uri: str) -> tuple[Buffer, ...]:
        """The buffers of a document, the one touched last first."""
        return self.of_key(document_key(uri))

    def of_key(self, wanted: str) -> tuple[Buffer, ...]:
        """The same for a key, as ``document_key`` makes them."""
        found = [buffer for (_, key), buffer in self._buffers.items() if key == wanted]
        return tuple(sorted(found, key=lambda buffer: -buffer.touched))

    def open_keys(self) -> tuple[str, ...]:
        """Of all open documents, each once."""
        return tuple(dict.fromkeys(key for _, key in self._buffers))

    def __len__(self) -> int:
        return len(self._buffers)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def document_key(uri: str) -> str:
    """One key for the spellings of a URI: editors differ in what they percent-encode, and in empty hosts."""
    path = file_path(uri)
    return uri if path is None else "file://" + path


def file_path(uri: str) -> str | None:
    """The path of a ``file:`` URI (``file:///p``, ``file:/p``, ``file://localhost/p``), or None for any other.

    ``?`` and ``#`` belong to the path: editors that mean a path do not all encode them. Bytes that are not UTF-8 come
    out as the file system functions of Python want them.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "file":
        return None
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            return None
        rest = slash + path
    return unquote(rest, errors="surrogateescape") if rest.startswith("/") else None


def normalised(text: str) -> str:
    """Without BOM, with ``\\n`` line ends: how texts are compared."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def merged(buffers: tuple[Buffer, ...], disk: str | None) -> Seen | None:
    """What a person sees of a document: its dirty buffer touched last, else the disk, else a clean buffer."""
    plain = None if disk is None else normalised(disk)
    for buffer in buffers:
        if buffer.changed and normalised(buffer.text) != plain:
            return Seen(buffer.text, unsaved=True)
    if disk is not None:
        return Seen(disk, unsaved=False)
    return Seen(buffers[0].text, unsaved=True) if buffers else None
