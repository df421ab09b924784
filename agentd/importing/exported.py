"""agentd's own JSON export (``agentd-json``): turns as they are on the wire. The lossless format is the store's."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from agentd.core.fold import OPEN_STATUSES
from agentd.core.records import Draft, item_draft, mark_draft, turn_draft
from agentd.errors import ImportFailed
from agentd.importing import values as v
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading, name_of
from agentd.importing.values import Json
from agentd.protocol import Item, Turn

FORMAT = "agentd-json"
VERSION = 1


def is_exported(document: object) -> bool:
    return v.mapping(document).get("format") == FORMAT


def read_exported(document: Json, name: str) -> Reading:
    version = document.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise ImportFailed(
            f"This session was exported by a newer agentd (JSON version {version}; this one reads {VERSION}). "
            "Update agentd, then import it again."
        )
    problems = Problems()
    session = v.mapping(document.get("session"))
    turns = _Turns(v.listed(document.get("turns")), problems)
    reading = Reading("agentd", v.string(session.get("id")) or name, turns.drafts, problems, version=str(version))
    reading.fields = {
        "created": v.moment(session.get("created")),
        "last_active": v.moment(session.get("lastActive")),
        "description": v.string(session.get("description")),
        "tags": tuple(tag for one in v.listed(session.get("tags")) if (tag := name_of(v.string(one), 100))),
        "working_dir": v.string(session.get("workingDir")),
        "branch": v.string(session.get("branch")),
    }
    if given := name_of(v.string(session.get("name"))):
        reading.fields |= {"name": given, "name_source": "user" if session.get("nameSource") == "user" else "auto"}
    documents = [(v.string(one.get("name")), one.get("text")) for one in v.mappings(document.get("documents"))]
    reading.documents = {title: text.encode("utf-8", "replace") for title, text in documents
                         if title is not None and isinstance(text, str)}  # fmt: skip
    return reading


class _Turns:
    """Turns numbered anew: an export may leave out some."""

    def __init__(self, turns: list[Any], problems: Problems) -> None:
        self._turns = turns
        self._problems = problems

    def drafts(self, target: Target) -> Iterator[Draft]:
        numbers: dict[int, int] = {}
        for place, value in enumerate(self._turns, 1):
            try:
                turn = Turn.model_validate(v.arguments(v.mapping(value)))
            except (ValidationError, RecursionError):
                self._problems.damaged(place, "cannot be read", "Turn")
                continue
            if turn.number in numbers:
                self._problems.damaged(place, "is there twice", "Turn")
                continue
            number = numbers[turn.number] = len(numbers) + 1
            yield from self._records(turn, number, numbers, target)

    def _records(self, turn: Turn, number: int, numbers: dict[int, int], target: Target) -> Iterator[Draft]:
        items = [_renumbered(item, number, place) for place, item in enumerate(turn.items, 1)]
        started = v.moment(turn.started) or target.time
        ended = max(started, v.moment(turn.ended) or started)
        whole = turn.model_copy(
            update={
                "number": number, "items": tuple(items), "started": started, "ended": ended, "queued": None,
                "status": "interrupted" if turn.status in OPEN_STATUSES else turn.status, "background": None,
                "retry_of": numbers.get(turn.retry_of) if turn.retry_of is not None else None,
                "compacted": numbers.get(turn.compacted) if turn.compacted is not None else None,
            }
        )  # fmt: skip
        whole = whole.model_copy(update={"messages": target.counts.add(whole)})
        begun = Turn(number=number, status="running", started=started, model=turn.model)
        yield _at(turn_draft(begun), started)
        for item in items:
            yield _at(item_draft(number, item), started)
        yield _at(turn_draft(whole), ended)
        summary = next((item.text for item in items if item.kind == "text" and item.text), None)
        if whole.compacted is not None and summary is not None:
            yield _at(mark_draft("compact", whole.compacted, summary=summary), ended)


def _renumbered(item: Item, number: int, place: int) -> Item:
    stopped = item.kind == "tool" and item.status in (None, "running", "waiting")
    return item.model_copy(
        update={"id": f"{number}.{place}", "queued": None, **({"status": "interrupted"} if stopped else {})}
    )


def _at(draft: Draft, time: str) -> Draft:
    return Draft(draft.turn, draft.kind, draft.body, time)
