"""A figure, its reference, and whether its target is met. Values only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Target:
    """``at_most``: of the figure itself, or of its ratio to the reference. ``why``: how it came about."""

    at_most: float
    of: Literal["value", "ratio"] = "value"
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
    def met(self) -> bool | None:
        """None where no target was set."""
        if self.target is None:
            return None
        measured = self.ratio if self.target.of == "ratio" else self.value
        assert measured is not None, f"{self.name}: a ratio without a reference"
        return measured <= self.target.at_most

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
