"""A figure, its reference, and whether its target is met. Values only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Target:
    """``at_most``: of the figure itself, of its ratio to the reference, or of what it is ``more`` than the reference.

    ``why``: how it came about.
    """

    at_most: float
    of: Literal["value", "ratio", "more"] = "value"
    why: str = ""


@dataclass(frozen=True)
class Figure:
    """``values`` and ``references`` are one number a round, in ``unit``, taken in turns."""

    name: str
    unit: str
    values: Sequence[float]
    target: Target | None = None
    reference: str = ""
    references: Sequence[float] = ()

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def ratio(self) -> float | None:
        return self.value / median(self.references) if self.references and median(self.references) else None

    @property
    def judged(self) -> float | None:
        """What the target is of; None where no target was set."""
        if self.target is None:
            return None
        if self.target.of == "value":
            return self.value
        assert self.ratio is not None, f"{self.name}: compared without a reference"
        return self.ratio if self.target.of == "ratio" else self.value - median(self.references)

    @property
    def met(self) -> bool | None:
        """None where no target was set."""
        measured = self.judged
        return None if self.target is None or measured is None else measured <= self.target.at_most

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "value": self.value, "ratio": self.ratio, "met": self.met}


def in_turns(rounds: int, *measures: Callable[[], float]) -> tuple[list[float], ...]:
    """A B A B …: what slows the machine down slows all of them. One list for each measure; a first round is thrown
    away, because it pays for cold caches."""
    taken: tuple[list[float], ...] = tuple([] for _ in measures)
    for measure in measures:
        measure()
    for _ in range(rounds):
        for values, measure in zip(taken, measures, strict=True):
            values.append(measure())
    return taken


def quantile(values: Iterable[float], part: float) -> float:
    """The value below which this part of all lies (0.99: one in a hundred is above)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
