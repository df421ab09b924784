"""Choosing several of many: as in choosing one, and Tab marks."""

from dataclasses import dataclass, field
from typing import TypeVar

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from agentd.cli.interactive.picker import SHOWN, Picker
from agentd.cli.table import fitted

T = TypeVar("T")
HELP = "  Tab marks, Ctrl-A all, Enter takes the marked, Escape leaves"


@dataclass
class Checklist(Picker[T]):
    """``marked``: places in ``choices``. With none marked, Enter takes the one at the cursor."""

    marked: set[int] = field(default_factory=set)

    def lines(self, width: int) -> StyleAndTextTuples:
        matching = self.matching()
        if not matching:
            return [("italic", "  nothing matches")]
        out: StyleAndTextTuples = []
        for number, choice in enumerate(matching[self.first : self.first + SHOWN], self.first):
            cursor, style = (">", "bold") if number == self.at else (" ", "")
            box = "[x]" if self._place(number) in self.marked else "[ ]"
            out.append((style, fitted(f"{cursor} {box} {choice.text}", width - 1) + "\n"))
        left = len(matching) - self.first - SHOWN
        about = f"  {len(self.marked)} marked." if self.marked else ""
        out.append(("italic", fitted(f"  … {left} more.{about}" if left > 0 else about or HELP, width - 1)))
        return out

    def toggle(self) -> None:
        """Mark the one at the cursor, or take its mark away, and go on to the next."""
        if self.matching():
            self.marked ^= {self._place(self.at)}
            self.move(1)

    def toggle_all(self) -> None:
        """Mark all that match; if all are marked, none."""
        places = {self._place(number) for number in range(len(self.matching()))}
        self.marked = self.marked - places if places <= self.marked else self.marked | places

    def taken(self) -> list[T]:
        """The marked ones in their order, else the one at the cursor."""
        if self.marked:
            return [self.choices[place].value for place in sorted(self.marked)]
        matching = self.matching()
        return [matching[self.at].value] if matching else []

    async def run_all(self) -> list[T]:
        """The choices; none when it was left."""
        left = await self.run() is None
        return [] if left else self.taken()

    def _place(self, number: int) -> int:
        choice = self.matching()[number]
        return next(place for place, one in enumerate(self.choices) if one is choice)

    def _keys(self) -> KeyBindings:
        keys = super()._keys()

        @keys.add("tab")
        def _mark(_event: KeyPressEvent) -> None:
            self.toggle()

        @keys.add("c-a")
        def _mark_all(_event: KeyPressEvent) -> None:
            self.toggle_all()

        return keys
