"""Large JSON texts, parsed piece by piece: whoever else wants the interpreter has it after each, and what is beyond all
sense (texts, numbers of values) ends the import before the memory is full. Pure.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agentd.errors import ImportFailed, RequestCancelled
from agentd.importing.values import parse_json

SMALL = 1 << 20
"""What is no larger is parsed at once: some milliseconds."""
PIECE = 1 << 16
LONGEST_TEXT = 16 << 20
MOST_CONTAINERS = 500_000
MOST_VALUES = 4_000_000
DEEPEST = 1000
WINDOW = 1 << 20
"""Bytes of a text that are gone over at once."""
_CHECK = 1 << 12
_TOKEN = re.compile(rb'["{}\[\],]')
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_CLOSES = {ord("}"): ord("{"), ord("]"): ord("[")}
_BRACKETS = {ord("{"): (b"{", b"}"), ord("["): (b"[", b"]")}


@dataclass(slots=True)
class _Open:
    """A container that has not ended. ``run``: from here on nothing is parsed yet; ``element``: the last comma's end.

    ``value`` is what was parsed of it, None while it may yet be small enough to be a part of a larger piece.
    """

    kind: int
    start: int
    run: int
    element: int
    value: Any = None
    after: bool = False
    """The element that stands here was a container that is parsed: nothing but a comma or the end may follow."""


@dataclass
class _Parsing:
    data: bytes
    stopped: Callable[[], bool]
    cut_off: bool
    stack: list[_Open] = field(default_factory=list)
    whole: Any = None

    def run(self) -> Any:
        """Raises ValueError."""
        at, containers, values, turns = 0, 0, 0, 0
        done = -1
        while (met := _TOKEN.search(self.data, at)) is not None and done < 0:
            turns += 1
            if turns % _CHECK == 0 and self.stopped():
                raise RequestCancelled
            place, at = met.start(), met.end()
            token = self.data[place]
            if token == ord('"'):
                at = self._text_end(at)
                if at < 0:
                    break
            elif token in _BRACKETS:
                containers += 1
                if len(self.stack) >= DEEPEST or (not self.stack and self.data[:place].strip()):
                    raise ValueError("no JSON")
                self.stack.append(_Open(token, place, at, at))
            elif token == ord(","):
                values += 1
                self._comma(place)
            else:
                done = at if self._close(place, token) else -1
            if containers > MOST_CONTAINERS or values > MOST_VALUES:
                raise ImportFailed("It holds more objects and values than any session: nothing was imported.")
        if done < 0:
            return self._left()
        if self.data[done:].strip():
            raise ValueError("no JSON")
        return self.whole if self.whole is not None else parse_json(self.data[:done])

    def _text_end(self, start: int) -> int:
        """Where a text ends that begins here; -1: nowhere."""
        at = start
        while at < len(self.data):
            if at - start > LONGEST_TEXT:
                raise ImportFailed(f"It holds a text of more than {LONGEST_TEXT >> 20} MB: nothing was imported.")
            met = _INSIDE.match(self.data, at, min(at + WINDOW, len(self.data)))
            end = met.end() if met is not None else at
            if end < len(self.data) and self.data[end] == ord('"'):
                return end + 1
            if end == at:
                return -1
            at = end
        return -1

    def _comma(self, place: int) -> None:
        if not self.stack:
            raise ValueError("no JSON")
        top = self.stack[-1]
        if top.after:
            self._blank(top.run, place)
            top.after, top.run = False, place + 1
        elif place - top.run > PIECE:
            self._take(top, place)
            top.run = place + 1
        top.element = place + 1

    def _close(self, place: int, token: int) -> bool:
        """Whether it was the outermost."""
        if not self.stack or self.stack[-1].kind != _CLOSES[token]:
            raise ValueError("no JSON")
        top = self.stack.pop()
        if top.after:
            self._blank(top.run, place)
        elif top.value is not None or place - top.run > PIECE:
            self._take(top, place)
        if not self.stack:
            self.whole = top.value
            return True
        if top.value is not None:
            self._put(self.stack[-1], top, place + 1)
        return False

    def _put(self, into: _Open, child: _Open, after: int) -> None:
        """A container that is parsed is an element of the one around it."""
        self._take(into, into.element)
        before = self.data[into.element : child.start].strip()
        if into.kind == ord("["):
            if before:
                raise ValueError("no JSON")
            into.value.append(child.value)
        else:
            key = parse_json(before[:-1]) if before.endswith(b":") else None
            if not isinstance(key, str):
                raise ValueError("no JSON")
            into.value[key] = child.value
        into.run, into.after = after, True

    def _take(self, top: _Open, end: int) -> None:
        """Parse the elements from where nothing is parsed yet."""
        opening, closing = _BRACKETS[top.kind]
        if top.value is None:
            top.value = {} if top.kind == ord("{") else []
        piece = self.data[top.run : end].strip().removesuffix(b",")
        if piece:
            found = parse_json(opening + piece + closing)
            if isinstance(top.value, dict):
                top.value.update(found)
            else:
                top.value.extend(found)

    def _left(self) -> Any:
        """Of a text that is cut off: its whole elements."""
        if not self.cut_off or not self.stack:
            raise ValueError("no JSON")
        while True:
            top = self.stack.pop()
            if not top.after:
                self._take(top, top.element)
            if not self.stack:
                return top.value
            around = self.stack[-1]
            self._put(around, top, len(self.data))

    def _blank(self, start: int, end: int) -> None:
        if self.data[start:end].strip():
            raise ValueError("no JSON")


def parse_large(data: bytes, stopped: Callable[[], bool] = lambda: False, *, cut_off: bool = False) -> Any:
    """The value of a JSON text of any size; ``cut_off``: of what is whole of one that ends too early.

    Raises ValueError for what is none, ImportFailed for what is beyond all sense, RequestCancelled once ``stopped``.
    """
    if len(data) <= SMALL and not cut_off:
        return parse_json(data)
    return _Parsing(data, stopped, cut_off).run()
