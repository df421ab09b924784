"""What a reader sees of a turn's events: plain text for a pipe, Markdown in a terminal, JSON lines for a program."""

import asyncio
import sys
import time
from typing import Protocol

from agentd.cli import output
from agentd.protocol import Event, EventParams, Item, ItemDelta, ItemEnded, ItemStarted, Notice, Turn, TurnEvent

LEAST_PAUSE = 0.04
"""Seconds between two drawings of the unfinished block: 25 a second look like a stream."""


class Showing(Protocol):
    def event(self, params: EventParams) -> None: ...

    def so_far(self, turn: Turn) -> None:
        """The part of a running turn that was streamed before we came."""

    def close(self) -> None:
        """The turn has ended, or we leave it: nothing is left half drawn."""


class Plain:
    """The reply's text as it streams and nothing else on stdout; what is about it goes to stderr."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._last = ""
        self._at_line_start = True
        self._wrote = False

    def event(self, params: EventParams) -> None:
        event = params.event
        for missing in problems(event):
            output.note(missing)
        if isinstance(event, ItemStarted):
            self._kinds[event.item.id] = event.item.kind
        elif isinstance(event, ItemDelta):
            if self._kinds.get(event.item_id) == "text":
                self._text(event.item_id, event.text)
        elif isinstance(event, ItemEnded):
            told = about(event.item)
            if told:
                output.note(told)
        elif isinstance(event, Notice):
            output.note(event.message)

    def so_far(self, turn: Turn) -> None:
        for item in turn.items:
            self._kinds[item.id] = item.kind
            if item.kind == "text" and item.text:
                self._text(item.id, item.text)

    def close(self) -> None:
        if self._wrote and not self._at_line_start:
            output.line()
            self._at_line_start = True

    def _text(self, item: str, text: str) -> None:
        if item != self._last and self._wrote:  # a tool ran between two pieces of text: they are paragraphs
            output.write("\n" if self._at_line_start else "\n\n")
        self._last = item
        output.write(output.clean(text) if output.is_terminal(sys.stdout) else text)
        self._wrote = self._wrote or bool(text)
        self._at_line_start = text.endswith("\n") if text else self._at_line_start


class JsonLines:
    """Each event as one line of JSON, with its session and sequence number."""

    def event(self, params: EventParams) -> None:
        output.write(params.dump_json().decode() + "\n")

    def so_far(self, turn: Turn) -> None:
        output.write(turn.dump_json().decode() + "\n")

    def close(self) -> None:
        return


class Drawn:
    """Markdown, drawn as it streams."""

    def __init__(self) -> None:
        from agentd.cli.markdown import Blocks
        from agentd.cli.region import Region

        self._console = output.console()
        self._region = Region(sys.stdout)
        self._blocks = Blocks()
        self._kinds: dict[str, str] = {}
        self._begun = False
        self._waiting: asyncio.TimerHandle | None = None
        self._next = 0.0

    def event(self, params: EventParams) -> None:
        event = params.event
        for told in problems(event):
            self.above(told)
        if isinstance(event, ItemStarted):
            self._kinds[event.item.id] = event.item.kind
            if event.item.kind == "thinking":
                self._status("Thinking…")
        elif isinstance(event, ItemDelta):
            if self._kinds.get(event.item_id) == "text":
                self._blocks.add(event.text)
                self._soon()
        elif isinstance(event, ItemEnded):
            self._finish_block()
            self.above(about(event.item))
        elif isinstance(event, Notice):
            self.above(event.message)

    def so_far(self, turn: Turn) -> None:
        for item in turn.items:
            self._kinds[item.id] = item.kind
            if item.kind == "text":
                self._blocks.add(item.text or "")
                if item is not turn.items[-1]:
                    self._finish_block()
        self._draw()

    def close(self) -> None:
        self._finish_block()

    def above(self, text: str | None) -> None:
        """A line about the turn, before what is still being drawn."""
        if text:
            self._region.settle()
            output.line(output.styled(output.clean(text), "dim"))
            self._begun = True
            self._draw()

    def _status(self, text: str) -> None:
        self._region.draw([output.styled(text, "dim")])

    def _soon(self) -> None:
        """Draw now, or when it is time again; a drawing that takes long makes them rarer."""
        if self._waiting is not None:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(max(0.0, self._next - time.monotonic()), self._draw)

    def _draw(self) -> None:
        from agentd.cli.markdown import rendered

        self._cancel()
        began = time.monotonic()
        done = self._blocks.finished()
        if done.strip():
            self._settle(rendered(done, self._console))
        if self._blocks.pending.strip():
            self._region.draw(self._spaced(rendered(self._blocks.pending, self._console)))
        now = time.monotonic()
        self._next = now + max(LEAST_PAUSE, 4 * (now - began))

    def _finish_block(self) -> None:
        from agentd.cli.markdown import rendered

        self._cancel()
        rest = self._blocks.rest()
        if rest.strip():
            self._settle(rendered(rest, self._console))
        else:
            self._region.settle()

    def _settle(self, lines: list[str]) -> None:
        self._region.settle(self._spaced(lines))
        self._begun = self._begun or bool(lines)

    def _spaced(self, lines: list[str]) -> list[str]:
        """A blank line between two blocks."""
        return ["", *lines] if self._begun and lines else lines

    def _cancel(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def showing(*, as_json: bool = False) -> Showing:
    """What fits where stdout goes."""
    if as_json:
        return JsonLines()
    return Drawn() if output.can_draw() else Plain()


def problems(event: Event) -> list[str]:
    """What a prompt pointed at and could not be given to the model, told when the prompt is taken up."""
    if isinstance(event, TurnEvent) and event.type == "turn/started":
        return [told for item in event.turn.items for told in left_out(item)]
    return left_out(event.item) if isinstance(event, ItemStarted) else []


def left_out(item: Item) -> list[str]:
    """Why a prompt's context is not what was pointed at."""
    return [
        output.one_line(f"{'Not sent: ' if context.text is None else ''}{context.title}: {context.problem}")
        for context in item.context or ()
        if context.problem
    ]


def about(item: Item) -> str | None:
    """An item that is no text of the reply, on one line; None: nothing to say."""
    if item.kind == "notice":
        return output.one_line(item.text or "")
    if item.kind == "tool":
        given = ", ".join(output.one_line(str(value)) for value in (item.input or {}).values())
        mark = f" – {item.status}" if item.status in ("failed", "denied", "interrupted") else ""
        return f"• {item.name} {given[:100]}{mark}"
    return None
