"""The journal of the running turn: what has been streamed of it, handed to the system before anybody is shown it.

Its file exists from before the turn's start is on record until after its end is: so that starting up finds cut-off
turns by name alone. Written inline on the event loop (a write to the page cache, no sync); all else in workers.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agentd.core.fold import Streamed
from agentd.errors import StoreFailed
from agentd.protocol import Item
from agentd.store import lines
from agentd.store.files import Files, saving, words

NAME = "journal.jsonl"
_WHAT = "what was streamed"


class Journal:
    def __init__(self, files: Files, directory: Path) -> None:
        self._files = files
        self._path = directory / NAME
        self._fd: int | None = None
        self._torn = False

    def prepare(self) -> None:
        """Make the file and its name durable. In a worker, before the start of a turn is written. Raises OSError."""
        try:
            self._files.close(self._files.create(self._path))
        except FileExistsError:
            return
        self._files.sync_directory(self._path.parent)

    def start(self, turn: int, item: Item) -> None:
        self._write({"turn": turn, "start": item.dump()})

    def delta(self, turn: int, item_id: str, text: str) -> None:
        self._write({"turn": turn, "delta": item_id, "text": text})

    def end(self, turn: int, item: Item) -> None:
        self._write({"turn": turn, "end": item.dump()})

    def clear(self) -> None:
        """Forget all of it. If the file can't be removed that costs nothing: ended turns are recognised."""
        self.close()
        try:
            self._files.unlink(self._path)
        except OSError:
            return

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                self._files.close(fd)
            except OSError:
                return

    def _write(self, entry: dict[str, object]) -> None:
        data = lines.seal_object(entry)
        try:
            if self._fd is None:
                self._fd = self._files.append_to(self._path, create=True)
            # After a write that failed halfway, the rest of its line must not spoil this one.
            self._files.write(self._fd, b"\n" + data if self._torn else data)
            self._torn = False
        except OSError as error:
            self._torn = True
            raise StoreFailed(words(error), _WHAT) from error


@dataclass(slots=True)
class _Open:
    item: Item
    pieces: list[str]
    whole: bool = False


def read_journal(files: Files, directory: Path) -> tuple[dict[int, list[Streamed]], float | None]:
    """By turn, its items in the order in which they began, and when the journal was last written (None: no journal).

    Lines that are torn or damaged are left out. Raises OSError when there is a journal that cannot be read.
    """
    path = directory / NAME
    try:
        written = files.stat(path).st_mtime
        data = files.contents(path)
    except FileNotFoundError:
        return {}, None
    turns: dict[int, dict[str, _Open]] = {}
    for line in data.split(b"\n"):
        parsed = lines.parse_object(line) if line else None
        if parsed is None:
            continue
        entry, flagged = parsed
        turn = entry.get("turn")
        if not flagged and isinstance(turn, int):
            _apply(turns.setdefault(turn, {}), entry)
    return {turn: [_streamed(one) for one in items.values()] for turn, items in turns.items()}, written


def _apply(items: dict[str, _Open], entry: dict[str, object]) -> None:
    if "delta" in entry:
        known = items.get(str(entry["delta"]))
        if known is not None and not known.whole:
            known.pieces.append(str(entry.get("text", "")))
        elif known is None:
            # Its start was damaged: text that was shown is kept as what it most likely was.
            item = Item(id=str(entry["delta"]), kind="text")
            items[item.id] = _Open(item, [str(entry.get("text", ""))])
        return
    try:
        item = Item.model_validate(entry.get("end", entry.get("start")))
    except ValidationError:
        return
    known = items.get(item.id)
    if "end" in entry:
        if known is None:
            items[item.id] = _Open(item, [], whole=True)
        else:
            known.item, known.pieces, known.whole = item, [], True
    elif known is None:
        items[item.id] = _Open(item, [])


def _streamed(one: _Open) -> Streamed:
    text = "".join(one.pieces)
    item = one.item.model_copy(update={"text": (one.item.text or "") + text}) if text else one.item
    return Streamed(item, one.whole)


def remove_journal(files: Files, directory: Path) -> None:
    """Durably, or not at all: a journal that comes back is recognised as of an ended turn."""
    with saving(_WHAT):
        try:
            files.unlink(directory / NAME)
        except FileNotFoundError:
            return
