"""The last lines on the screen, which are still changing: redrawn in place, from the first line that differs.

Each change is one write, and what has not changed is not touched: nothing flickers. The region is never higher than
the screen, because lines that have scrolled away can't be taken back.
"""

import os
import re
from collections.abc import Sequence
from typing import TextIO

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Region:
    """Draws at the cursor, which stays on the line below; ``settle`` makes the lines permanent."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn: list[str] = []
        self._columns = 0

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those before; of too many, the last."""
        _, rows = self.size()
        self._replace(list(lines[-max(1, rows - 1) :]))

    def settle(self, lines: Sequence[str] = ()) -> None:
        """Show these lines in place of the region, for good; the region is empty after that."""
        self._replace(list(lines))
        self._drawn = []

    def size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return columns or 80, rows or 24

    def _replace(self, lines: list[str]) -> None:
        columns, _ = self.size()
        resized = bool(self._drawn) and columns != self._columns
        same = 0 if resized else _common(self._drawn, lines)
        if same == len(self._drawn) == len(lines):
            return
        up = self._height(self._drawn[same:], columns) if resized else len(self._drawn) - same
        back = f"\x1b[{up}A\r\x1b[J" if up else ""
        self._out.write(back + "".join(line + "\n" for line in lines[same:]))
        self._out.flush()
        self._drawn, self._columns = lines, columns

    def _height(self, lines: Sequence[str], columns: int) -> int:
        """Rows that the lines take after the terminal was made narrower or wider and wrapped them anew."""
        from rich.cells import cell_len

        return sum(max(1, -(-cell_len(STYLE.sub("", line)) // columns)) for line in lines)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    same = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        same += 1
    return same
