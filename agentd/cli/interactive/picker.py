"""Choosing one of many: type to narrow, arrows to move, Enter to take, Escape to leave."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, VSplit, Window

from agentd.cli.interactive.past import prompt_of, summary_of
from agentd.cli.output import one_line
from agentd.cli.rows import counted, row_of, when
from agentd.cli.table import aligned, fitted
from agentd.client.dial import Address
from agentd.client.typed import Client
from agentd.protocol import Session, Turn

T = TypeVar("T")
SHOWN = 10
LIMIT = 200


@dataclass(frozen=True)
class Choice(Generic[T]):
    """``text`` is shown, and looked through for what is typed."""

    text: str
    value: T


@dataclass
class Picker(Generic[T]):
    """The state of one choosing; pure but for ``run``."""

    title: str
    choices: Sequence[Choice[T]]
    typed: str = ""
    at: int = 0
    first: int = field(default=0)

    def matching(self) -> list[Choice[T]]:
        """Those that hold every word that was typed."""
        words = self.typed.casefold().split()
        return [choice for choice in self.choices if all(word in choice.text.casefold() for word in words)]

    def narrow(self, typed: str) -> None:
        self.typed, self.at, self.first = typed, 0, 0

    def move(self, by: int) -> None:
        self.at = max(0, min(len(self.matching()) - 1, self.at + by))
        self.first = max(min(self.first, self.at), self.at - SHOWN + 1)

    def lines(self, width: int) -> StyleAndTextTuples:
        matching = self.matching()
        if not matching:
            return [("italic", "  nothing matches")]
        out: StyleAndTextTuples = []
        for number, choice in enumerate(matching[self.first : self.first + SHOWN], self.first):
            mark, style = ("> ", "bold") if number == self.at else ("  ", "")
            out.append((style, fitted(mark + choice.text, width - 1) + "\n"))
        left = len(matching) - self.first - SHOWN
        if left > 0:
            out.append(("italic", f"  … {left} more"))
        return out

    async def run(self) -> T | None:
        """The choice, or None when it was left."""
        buffer = Buffer(multiline=False, on_text_changed=lambda changed: self.narrow(changed.text))
        application: Application[T | None] = Application(
            layout=self._layout(buffer), key_bindings=self._keys(), erase_when_done=True
        )
        return await application.run_async()

    def _layout(self, buffer: Buffer) -> Layout:
        def shown() -> StyleAndTextTuples:
            from prompt_toolkit.application import get_app

            return self.lines(get_app().output.get_size().columns)

        head = VSplit([
            Window(FormattedTextControl(f"{self.title}: "), width=len(self.title) + 2, height=1),
            Window(BufferControl(buffer), height=1),
        ])  # fmt: skip
        return Layout(HSplit([head, Window(FormattedTextControl(shown), height=SHOWN + 1, dont_extend_height=True)]))

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("up")
        @keys.add("c-p")
        def _up(_event: KeyPressEvent) -> None:
            self.move(-1)

        @keys.add("down")
        @keys.add("c-n")
        def _down(_event: KeyPressEvent) -> None:
            self.move(1)

        @keys.add("enter")
        def _take(event: KeyPressEvent) -> None:
            matching = self.matching()
            if matching:
                event.app.exit(result=matching[self.at].value)

        @keys.add("escape", eager=True)
        @keys.add("c-c")
        @keys.add("c-d")
        def _leave(event: KeyPressEvent) -> None:
            event.app.exit(result=None)

        return keys


async def agreed(question: str) -> bool:
    """Whether the person says yes; Ctrl-C, Ctrl-D and anything else are a no."""
    try:
        answer = await PromptSession[str]().prompt_async(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        return False
    return answer.strip().casefold() in ("y", "yes")


async def pick_session(place: Address) -> str | None:
    """A session's id, chosen among those of the project."""
    async with Client(place) as client:
        return await choose_session(client)


async def choose_session(client: Client) -> str | None:
    found = await client.sessions(limit=LIMIT)
    return await Picker("Session", [_session_choice(session) for session in found.sessions]).run()


def _session_choice(session: Session) -> Choice[str]:
    row = row_of(session.dump())
    name = aligned(row.title, 20, False)
    about = f"{aligned(when(row), 12, False)} {counted(row.message_count, 'message')}"
    return Choice(f"{row.short}  {name}  {about}  {row.said}", row.id)


async def pick_turn(place: Address, session: str) -> int | None:
    """The number of the turn to fork after, 0 for before the first."""
    async with Client(place) as client:
        return await choose_turn(client, session)


async def choose_turn(client: Client, session: str) -> int | None:
    found = await client.turns(session, limit=LIMIT)
    ended = [turn for turn in found.turns if turn.ended is not None]
    choices = [_turn_choice(turn) for turn in reversed(ended)]
    which = "Fork after turn" if found.before is None else f"Fork after turn (the last {LIMIT})"
    return await Picker(which, [*choices, Choice("  0  before the first turn", 0)]).run()


def _turn_choice(turn: Turn) -> Choice[int]:
    prompt = prompt_of(turn) if turn.compacted is None else summary_of(turn.compacted)
    mark = "" if turn.status == "completed" else f" ({turn.status})"
    return Choice(f"{turn.number:>3}  {one_line(prompt)}{mark}", turn.number)
