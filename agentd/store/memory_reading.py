"""Pages, the conversation and a fork's part of records that are held in memory: the same answers as from a file.

Pure functions over records, oldest first.
"""

from collections.abc import Iterator, Mapping, Sequence

from agentd.core.fold import NewestFirst, Streamed, TurnFold, ending_of, is_open, through_of
from agentd.core.records import ITEM_KINDS, Draft, Record
from agentd.errors import InvalidParams
from agentd.store.api import Conversation, Page
from agentd.store.pages import Gathered
from agentd.store.reader import Found

_PROMPTS = frozenset({"prompt"})


def page_of(records: Sequence[Found], before: int | None, limit: int, max_bytes: int, live: int | None) -> Page:
    """The newest ``limit`` turns that are older than turn ``before``, within ``max_bytes``."""
    gathered = Gathered(max_bytes)
    for found in _visible(records):
        turn = found.record.turn
        if not _of_turn(found.record) or (before is not None and turn >= before):
            continue
        if not gathered.holds(turn) and (len(gathered.numbers) >= limit or gathered.full):
            break
        if not gathered.add(found):
            break
    else:
        return Page(gathered.turns(live), None)
    return Page(gathered.turns(live), gathered.numbers[-1] if gathered.numbers else turn + 1)


def conversation_of(records: Sequence[Found], max_bytes: int, live: int | None) -> Conversation:
    """What the model may see: the fold of all that counts, its newest part within ``max_bytes``."""
    visible = list(_visible(records))[::-1]
    floor, compacted, summary = 0, 0, None
    system: list[str] = []
    retried: set[int] = set()
    for found in visible:
        record = found.record
        if record.kind == "turn" and isinstance(again := record.body.get("retryOf"), int):
            retried.add(again)
        elif record.kind == "system" and isinstance(text := record.body.get("text"), str):
            system.append(text)
        elif record.kind == "mark" and record.body.get("mark") in ("clear", "compact"):
            through = through_of(record.body)
            floor = max(floor, through)
            if record.body["mark"] == "compact":
                said = record.body.get("summary")
                compacted, summary = through, said if isinstance(said, str) and through else None
                continue
            if record.body.get("keepSystem") is False:
                system.clear()
            if through >= compacted:
                summary = None
    gathered = Gathered(max_bytes)
    for found in reversed(visible):
        turn = found.record.turn
        if not _of_turn(found.record) or turn <= floor or turn in retried:
            continue
        if (not gathered.holds(turn) and gathered.full) or not gathered.add(found):
            break
    return Conversation(gathered.turns(live, whole=_PROMPTS), tuple(system), summary)


def part_through(records: Sequence[Found], through: int) -> list[Found]:
    """What a fork after turn ``through`` takes along: with the newest turn, also the marks that follow it.

    Raises InvalidParams for a turn that is not on record or has not ended.
    """
    if through == 0:
        begins = next((at for at, found in enumerate(records) if found.record.kind != "system"), len(records))
        return list(records[:begins])
    cut, newer = len(records), False
    for at in range(len(records) - 1, -1, -1):
        record = records[at].record
        if record.turn > 0 and record.turn != through:
            newer = True
        elif record.kind == "mark" and record.body.get("mark") == "rewind":
            cut = at
        elif record.turn == through and record.kind == "turn":
            if is_open(record.body):
                raise InvalidParams(f"Turn {through} has not ended: fork after an earlier one.")
            return list(records[: at + 1 if newer else cut])
    raise InvalidParams(f"This session has no turn {through}.")


def folds_of(records: Sequence[Found]) -> dict[int, TurnFold]:
    """Every turn on record, hidden ones too, in the order in which they began."""
    folds: dict[int, TurnFold] = {}
    for record in (found.record for found in records):
        if _of_turn(record):
            folds.setdefault(record.turn, TurnFold(record.turn)).add(record.kind, record.body, record.time, record.seq)
    return folds


def owed_by(
    folds: Mapping[int, TurnFold], journal: Mapping[int, Sequence[Streamed]], last: int, time: str
) -> list[Draft]:
    """What ends the turns that were cut off, oldest first. ``time``: when that was, for one whose start is unknown."""
    drafts: list[Draft] = []
    for number in sorted({*journal, last} - {0}):
        fold = folds.get(number) or TurnFold(number)
        if not fold.ended:
            turn = fold.turn()
            begun = turn if turn.started else turn.model_copy(update={"started": time})
            drafts += ending_of(begun, journal.get(number, ()), time)
    return drafts


def _visible(records: Sequence[Found]) -> Iterator[Found]:
    """Newest first, without what rewinds hide."""
    seen = NewestFirst()
    for found in reversed(records):
        record = found.record
        if seen.counts(record.kind, record.turn, record.body):
            yield found


def _of_turn(record: Record) -> bool:
    return record.turn > 0 and (record.kind == "turn" or record.kind in ITEM_KINDS)
