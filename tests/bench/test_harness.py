"""That the harness runs and judges, at sizes that say nothing about speed."""

from pathlib import Path

import pytest

from tests.bench import large, lists, opened, prompt, rebuild, request, search, sessions
from tests.bench.figure import Figure, Target, in_turns, quantile
from tests.bench.place import from_source
from tests.bench.report import table
from tests.bench.sizes import CUT


def test_a_figure_is_judged_by_its_median_or_its_ratio() -> None:
    assert Figure("a", "ms", [1, 5, 9], Target(5)).met
    assert not Figure("a", "ms", [1, 6, 9], Target(5)).met
    assert Figure("a", "ms", [30], Target(3, "ratio"), "b", [10]).met
    assert Figure("a", "ms", [12], Target(3, "more"), "b", [10]).met
    assert not Figure("a", "ms", [14], Target(3, "more"), "b", [10]).met
    assert Figure("a", "ms", [30]).met is None
    assert "MISSED by 20 %" in table([Figure("a", "ms", [36], Target(3, "ratio"), "b", [10])])


def test_measures_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return len(order)

    assert in_turns(2, lambda: measure("a"), lambda: measure("b")) == ([3, 5], [4, 6])
    assert order == ["a", "b"] * 3
    assert quantile(range(100), 0.99) == 99


@pytest.mark.parametrize(
    "group", [request, prompt, sessions, large, opened, lists, search, rebuild], ids=lambda group: group.__name__
)
def test_figures_can_be_taken(group: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTD_BENCH_DATA", str(tmp_path))
    assert isinstance(group, type(request))
    assert all(figure.value > 0 for figure in group.figures(from_source(), CUT))
