"""What a store's sessions should be, said as simply as possible: the model that the state machine compares with."""

from dataclasses import dataclass, field
from typing import NamedTuple


class ModelTurn(NamedTuple):
    """An ended turn: its status, and the texts of its items in order."""

    number: int
    status: str
    texts: tuple[str, ...]


class ModelMark(NamedTuple):
    kind: str
    through: int
    summary: str | None = None


@dataclass(frozen=True)
class Fold:
    """What all that was recorded comes to."""

    turns: tuple[ModelTurn, ...] = ()
    floor: int = 0
    compacted: int = 0
    summary: str | None = None

    @property
    def sent(self) -> tuple[ModelTurn, ...]:
        """What the model is sent."""
        return tuple(turn for turn in self.turns if turn.number > self.floor)


@dataclass
class ModelSession:
    """``recorded`` in order, ``queued`` by number; ``given``: the highest turn number ever given."""

    name: str | None = None
    status: str = "active"
    recorded: list[ModelTurn | ModelMark] = field(default_factory=list)
    queued: dict[int, str] = field(default_factory=dict)
    given: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def ended(self) -> list[int]:
        """Turns on record, those that a rewind hides as well."""
        return [one.number for one in self.recorded if isinstance(one, ModelTurn)]

    def fold(self) -> Fold:
        now, at_end = Fold(), {0: Fold()}
        for one in self.recorded:
            if isinstance(one, ModelTurn):
                now = Fold((*now.turns, one), now.floor, now.compacted, now.summary)
                at_end[one.number] = now
            elif one.kind == "rewind":
                now = at_end[one.through]
            elif one.kind == "compact":
                now = Fold(now.turns, max(now.floor, one.through), one.through, one.summary if one.through else None)
            else:
                kept = now.summary if one.through < now.compacted else None
                now = Fold(now.turns, max(now.floor, one.through), now.compacted, kept)
        return now

    def forked(self, through: int) -> "ModelSession":
        """With the newest turn also the marks after it, up to one that took something back."""
        if through == 0:
            return ModelSession(blobs=dict(self.blobs))
        at = next(
            place for place, one in enumerate(self.recorded) if isinstance(one, ModelTurn) and one.number == through
        )
        after = self.recorded[at + 1 :]
        taken = self.recorded[: at + 1]
        if not any(isinstance(one, ModelTurn) for one in after):
            for one in after:
                if isinstance(one, ModelMark) and one.kind == "rewind":
                    break
                taken.append(one)
        return ModelSession(recorded=taken, given=max(self.numbers(taken), default=0), blobs=dict(self.blobs))

    @staticmethod
    def numbers(recorded: "list[ModelTurn | ModelMark]") -> list[int]:
        return [one.number for one in recorded if isinstance(one, ModelTurn)]
