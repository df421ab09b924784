"""Turns out of what others recorded: prompts, replies and tool calls as they come, records of ours as they go.

Holds one turn. Times are the originals'; where one is missing, the last known one stands.
"""

from collections.abc import Iterator
from typing import Any

from agentd.core.prices import PriceTable
from agentd.core.records import Draft, item_draft, mark_draft, system_draft, turn_draft
from agentd.importing import values as v
from agentd.importing.counting import Target
from agentd.protocol import ContextText, Item, Problem, ToolStatus, Turn, TurnStatus, Usage
from agentd.protocol.base import sound_text

INTERRUPTED = "This turn was interrupted in the program that it was imported from."
LONGEST_SYSTEM = 64_000
"""Characters of all system texts of a session: they go along with every request."""
LONGEST_ID = 500
_PRICES = PriceTable()
"""What the calls would have cost by the public prices: a subscription's are paid otherwise."""


class TurnBuilder:
    """Call its methods in the order of the conversation, and draw ``records`` in between: what is finished so far."""

    def __init__(self, target: Target, time: str | None = None) -> None:
        self._target = target
        self._number = 0
        self._time = time
        self._done: list[Draft] = []
        self._items: list[tuple[Item, str]] = []
        self._open = False
        self._started = target.time
        self._calls: dict[str, int] = {}
        self._used: dict[str, Usage] = {}
        self._model: str | None = None
        self._stop: str | None = None
        self._status: TurnStatus | None = None
        self._error: Problem | None = None
        self._context: list[ContextText] = []
        self._system: set[str] = set()
        self._system_size = 0

    @property
    def empty(self) -> bool:
        """Nothing was said yet."""
        return not (self._number or self._open)

    @property
    def running(self) -> bool:
        """A turn is open, with more in it than its prompt."""
        return any(item.kind != "prompt" for item, _ in self._items)

    @property
    def last_text(self) -> str:
        """The newest reply of the open turn."""
        return next((item.text or "" for item, _ in reversed(self._items) if item.kind == "text"), "")

    def records(self) -> Iterator[Draft]:
        """What is finished and was not drawn yet."""
        done, self._done = self._done, []
        yield from done

    def at(self, time: str | None) -> None:
        """What follows happened at this time, if it is known."""
        self._time = time or self._time

    def system(self, text: str) -> bool:
        """A system message that goes along with every request; False when there was no room for it."""
        text = sound_text(text).strip()
        if not text or text in self._system:
            return True
        if self._system_size + len(text) > LONGEST_SYSTEM:
            return False
        self._system.add(text)
        self._system_size += len(text)
        draft = system_draft(text)
        self._put(Draft(0, draft.kind, draft.body, self._now()))
        return True

    def context(self, title: str, text: str) -> None:
        """What the other program put beside a prompt: kept with the turn, and not sent again."""
        if text.strip():
            self._beside(ContextText(title=title, text=text))

    def without_images(self, content: Any) -> str:
        """The text of a prompt's content. Its images go beside the prompt: kept, and not sent to the model again."""
        return v.block_text(content, self._image_beside)

    def with_images(self, content: Any) -> str:
        """The text of a tool's result, with a note where an image was."""
        return v.block_text(content, self._image_note)

    def _image_beside(self, block: v.Json) -> str:
        media, data = v.image_of(block)
        why = "it is kept with the session, and is not sent to the model again" if data else "its bytes are not here"
        uri = f"blob:{self._target.keep(data)}" if data else None
        self._context.append(ContextText(title=f"Image ({media})", uri=uri, problem=why))
        return ""

    def _image_note(self, block: v.Json) -> str:
        media, data = v.image_of(block)
        return f"[{media}, {len(data):,} bytes: blob {self._target.keep(data)}]" if data else f"[{media}]"

    def _beside(self, entry: ContextText) -> None:
        prompts = [place for place, (item, _) in enumerate(self._items) if item.kind == "prompt"]
        if self._open and prompts:
            item, time = self._items[prompts[-1]]
            more = item.model_copy(update={"context": (*(item.context or ()), entry)})
            self._items[prompts[-1]] = (more, time)
        else:
            self._context.append(entry)

    def prompt(self, text: str, *, steer: bool = False) -> None:
        """A person's prompt: begins a turn, or joins the one that is open when it ``steer``-s it."""
        if not (steer and self._open):
            self.end()
            self._begin()
        context, self._context = tuple(self._context), []
        self._add("prompt", text=text, context=context or None)

    def text(self, text: str) -> None:
        if text.strip():
            self._reply()
            self._add("text", text=text)

    def thinking(self, text: str, signature: str | None = None) -> None:
        """``signature`` only if the session's model would know it as its own."""
        if text.strip():
            self._reply()
            self._add("thinking", text=text, signature=signature)

    def redacted(self, data: str) -> None:
        self._reply()
        self._add("redacted", data=data)

    def notice(self, text: str) -> None:
        if text.strip():
            self._reply()
            self._add("notice", text=text)

    def call(self, call_id: str | None, name: str | None, arguments: dict[str, Any]) -> None:
        """A tool call. Until its result comes it counts as interrupted."""
        self._reply()
        call_id = call_id[:LONGEST_ID] if call_id else None
        if call_id is not None:
            self._calls[call_id] = len(self._items)
        fields = {"name": (name or "unknown")[:LONGEST_ID], "input": arguments, "status": "interrupted"}
        self._add("tool", call_id=call_id, **fields)

    def result(self, call_id: str | None, output: str, status: ToolStatus, time: str | None = None) -> bool:
        """A call's result; False when the open turn has no such call."""
        place = self._calls.get((call_id or "")[:LONGEST_ID])
        if place is None or self._items[place][0].output is not None:
            return False
        item, called = self._items[place]
        more = item.model_copy(update={"output": sound_text(output), "status": status})
        self._items[place] = (more, time or self._time or called)
        return True

    def answered(self, name: str, output: str, status: ToolStatus = "completed") -> None:
        """A tool's result whose call was not recorded."""
        self.call(None, name, {})
        item, time = self._items[-1]
        self._items[-1] = (item.model_copy(update={"output": sound_text(output), "status": status}), time)

    def model(self, model: str | None) -> None:
        """The model that speaks now."""
        self._model = model[:LONGEST_ID] if model else self._model

    def used(self, call: str, usage: Usage) -> None:
        """The tokens of one call of the model: each report replaces that call's one before."""
        self._used[call] = usage

    def stopped(self, reason: str | None) -> None:
        self._stop = reason or self._stop

    def interrupted(self) -> None:
        """The person stopped it here."""
        if self._open:
            self._status = "interrupted"

    def failed(self, message: str) -> None:
        """The model's call failed here, in these words."""
        self._reply()
        self._status = "failed"
        self._error = Problem(kind="modelFailed", message=message, retryable=True)

    def recovered(self) -> None:
        """What failed or was stopped went on after all."""
        self._status = self._error = None

    def compact(self, summary: str) -> None:
        """A summary stands in for all before. A turn in whose middle that happened goes on in the next."""
        if self.running and self._status is None:
            self._status = "completed"
        self.end()
        if self._number and summary.strip():
            self._number += 1
            started = self._now()
            item = Item(id=f"{self._number}.1", kind="text", text=summary)
            turn = Turn(
                number=self._number, status="completed", started=started, ended=started, compacted=self._number - 1
            )
            self._write(turn, [(item, started)])
            mark = mark_draft("compact", self._number - 1, summary=sound_text(summary))
            self._done.append(Draft(0, mark.kind, mark.body, started))
        elif summary.strip():
            self.context("Summary of an earlier session", summary)

    def end(self) -> None:
        """The turn is over."""
        if not self._open:
            return
        self._open = False
        last = next((item for item, _ in reversed(self._items) if item.kind not in ("notice", "thinking")), None)
        finished = last is not None and last.kind == "text"
        status = self._status or ("completed" if finished else "interrupted")
        error = self._error
        if status == "interrupted":
            error = Problem(kind="interrupted", message=INTERRUPTED, retryable=True)
        usage: Usage | None = None
        for one in self._used.values():
            priced = one if one.cost is not None or not self._model else _PRICES.priced(one, self._model)
            usage = usage.plus(priced) if usage else priced
        turn = Turn(
            number=self._number,
            status=status,
            started=self._started,
            ended=max([self._started, *(time for _, time in self._items)]),
            stop_reason=self._stop,
            error=error,
            usage=usage,
            model=self._model,
        )
        self._write(turn, self._items)
        self._items, self._calls, self._used = [], {}, {}
        self._stop = self._status = self._error = None

    def close(self) -> None:
        """Nothing more comes."""
        if self._context and not self._open:
            self._context = []
        self.end()

    def _write(self, turn: Turn, items: list[tuple[Item, str]]) -> None:
        turn = turn.model_copy(update={"items": tuple(item for item, _ in items)})
        turn = turn.model_copy(update={"messages": self._target.counts.add(turn)})
        begun = Turn(number=turn.number, status="running", started=turn.started, model=turn.model)
        self._put(_timed(turn_draft(begun), turn.started))
        for item, time in items:
            self._put(_timed(item_draft(turn.number, item), time))
        self._put(_timed(turn_draft(turn), turn.ended or turn.started))

    def _put(self, draft: Draft) -> None:
        self._done.append(draft)

    def _begin(self) -> None:
        self._number += 1
        self._open = True
        self._started = self._now()

    def _reply(self) -> None:
        """Something that is not a prompt comes: it needs a turn, and what had stopped goes on."""
        if not self._open:
            self._begin()
        if self._status is not None:
            self.recovered()

    def _add(self, kind: str, **fields: Any) -> None:
        given = {key: value for key, value in fields.items() if value is not None}
        item = Item.model_validate({"id": f"{self._number}.{len(self._items) + 1}", "kind": kind, **given})
        self._items.append((item, self._now()))

    def _now(self) -> str:
        return self._time or self._target.time


def _timed(draft: Draft, time: str) -> Draft:
    return Draft(draft.turn, draft.kind, draft.body, time)
