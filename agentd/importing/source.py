"""What is imported, as bytes that are read a line at a time, and the JSON objects in them.

Pure over a ``Source``: the file behind one is opened by ``files``. Nothing here holds more than a line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from agentd.errors import ImportFailed, RequestCancelled
from agentd.importing.pieces import parse_large
from agentd.importing.problems import Problems
from agentd.importing.values import Json, joined_objects

BLOCK = 1 << 20
LONGEST_LINE = 32 << 20
LONGEST_DOCUMENT = 64 << 20
LONGEST_MENDED = 8 << 20
"""Bytes of a line that are looked through for objects when it is no JSON."""
_BOM = b"\xef\xbb\xbf"


class Source(Protocol):
    """Bytes that can be read anywhere. ``read_at`` gives up to ``size`` of them, fewer only at the end."""

    @property
    def name(self) -> str:
        """How people know it."""

    @property
    def size(self) -> int: ...
    def read_at(self, size: int, offset: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Content:
    """A text that came over the wire."""

    data: bytes
    name: str = "the text"

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, size: int, offset: int) -> bytes:
        return self.data[offset : offset + size]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source whose reading raises RequestCancelled as soon as nobody wants the result any more."""

    source: Source
    stopped: Callable[[], bool]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def size(self) -> int:
        return self.source.size

    def read_at(self, size: int, offset: int) -> bytes:
        check(self.stopped)
        return self.source.read_at(size, offset)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: ``line`` counts from 1, ``part`` from 0 within a line that holds several."""

    line: int
    offset: int
    size: int
    part: int = 0


class Records(Protocol):
    """JSON objects in order, which can be gone through more than once."""

    def all(self, problems: Problems | None = None) -> Iterator[tuple[Place, Json]]:
        """Every object. ``problems``: where to report what is damaged."""

    def at(self, place: Place) -> Json:
        """The object at this place."""


class Lines:
    """The objects of a file of lines. ``stopped`` is asked now and then: True ends the import."""

    def __init__(self, source: Source, stopped: Callable[[], bool] = lambda: False) -> None:
        self._source = source
        self._stopped = stopped

    def all(self, problems: Problems | None = None) -> Iterator[tuple[Place, Json]]:
        told = problems or Problems()
        for number, offset, line in self.raw(told):
            if not line.strip():
                continue
            try:
                objects, damaged = _objects(line, self._stopped)
            except ImportFailed:
                told.damaged(number, "holds more than any session does")
                continue
            if damaged:
                told.damaged(number, "is no JSON" if not objects else "is damaged after its first objects")
            for part, value in enumerate(objects):
                yield Place(number, offset, len(line), part), value

    def at(self, place: Place) -> Json:
        check(self._stopped)
        objects, _ = _objects(_bare(self._source.read_at(place.size, place.offset), place.offset), self._stopped)
        return objects[place.part] if place.part < len(objects) else {}

    def raw(self, problems: Problems) -> Iterator[tuple[int, int, bytes]]:
        """Number, offset and bytes of each line, without its end. A line beyond all sense is passed over."""
        at = start = 0
        number = 1
        held: list[bytes] = []
        length = 0
        while at < self._source.size:
            check(self._stopped)
            block = self._source.read_at(BLOCK, at)
            if not block:
                break
            begin = 0
            while (end := block.find(b"\n", begin)) >= 0:
                piece = block[begin:end]
                length += len(piece)
                if length > LONGEST_LINE:
                    problems.damaged(number, "is too long")
                else:
                    yield number, start, _bare(b"".join([*held, piece]) if held else piece, start)
                held, length = [], 0
                number += 1
                begin = end + 1
                start = at + begin
            rest = block[begin:]
            length += len(rest)
            if length <= LONGEST_LINE:
                held.append(rest)
            else:
                held = []
            at += len(block)
        if length > LONGEST_LINE:
            problems.damaged(number, "is too long")
        elif held and length:
            yield number, start, _bare(b"".join(held), start)


def _bare(line: bytes, start: int) -> bytes:
    """Without a byte order mark. Its place stays a space, so that offsets stay true."""
    return b"   " + line[3:] if start == 0 and line.startswith(_BOM) else line


class Listed:
    """The objects of a list in a JSON document; a place's line is the number in the list."""

    def __init__(self, values: list[Any], stopped: Callable[[], bool] = lambda: False) -> None:
        self._values = values
        self._stopped = stopped

    def all(self, problems: Problems | None = None) -> Iterator[tuple[Place, Json]]:
        for number, value in enumerate(self._values, 1):
            if number % 256 == 0:
                check(self._stopped)
            if isinstance(value, dict):
                yield Place(number, number - 1, 0), value
            elif problems is not None:
                problems.damaged(number, "is no object", "Entry")

    def at(self, place: Place) -> Json:
        value = self._values[place.offset]
        return value if isinstance(value, dict) else {}


def check(stopped: Callable[[], bool]) -> None:
    """Raises RequestCancelled when nobody wants the result any more."""
    if stopped():
        raise RequestCancelled


def _objects(line: bytes, stopped: Callable[[], bool]) -> tuple[list[Json], bool]:
    """The objects of a line, and whether something in it is damaged. Raises ImportFailed for what is beyond sense."""
    try:
        value = parse_large(line, stopped)
    except ValueError:
        if len(line) > LONGEST_MENDED:
            return [], True
        return list(joined_objects(line)), not _all_joined(line)
    return ([value], False) if isinstance(value, dict) else ([], True)


def _all_joined(line: bytes) -> bool:
    """Whether a line is nothing but objects, one after the other: two writes without a line end between."""
    return line.rstrip().endswith(b"}") and len(list(joined_objects(line))) > 1


def document(source: Source, stopped: Callable[[], bool]) -> Any:
    """The JSON document that a source is.

    Raises ValueError when it is none, ImportFailed when it is too large.
    """
    if source.size > LONGEST_DOCUMENT:
        raise ImportFailed(
            f"{source.name} is one JSON document of {source.size:,} bytes. "
            f"Of such, those up to {LONGEST_DOCUMENT >> 20} MB are read."
        )
    data = source.read_at(source.size, 0)
    return parse_large(data.removeprefix(_BOM), stopped)
