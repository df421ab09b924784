"""Figures as a table for people and as JSON for comparing runs, with the machine that they are of."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.figure import Figure, Target


def machine() -> dict[str, Any]:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{os.cpu_count()} × {model.partition(':')[2].strip() or platform.processor()}",
        "memory": f"{int(memory) // 1024**2} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def load() -> str:
    """How busy the machine was, ours included: 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def described(about: dict[str, Any]) -> str:
    return ", ".join(str(value) for value in about.values())


def table(figures: Iterable[Figure]) -> str:
    """A Markdown table."""
    head = ("figure", "median (min–max)", "reference", "ratio", "target", "")
    rows = [head, ("---",) * len(head), *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        fill = "-" if row[0] == "---" else " "
        lines.append("| " + " | ".join(cell.ljust(width, fill) for cell, width in zip(row, widths, strict=True)) + " |")
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    target = figure.target
    wanted = "" if target is None else _wanted(target, figure.unit)
    if target is not None and target.why:
        wanted += f" ({target.why})"
    beside = f"{figure.reference}: {_spread(figure.references, figure.unit)}" if figure.references else figure.reference
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}x"
    return figure.name, _spread(figure.values, figure.unit), beside, ratio, wanted, _verdict(figure)


def _wanted(target: Target, unit: str) -> str:
    if target.of == "ratio":
        return f"≤ {target.at_most:.3g}x"
    return f"≤ {'+' if target.of == 'more' else ''}{target.at_most:.3g} {unit}"


def _spread(values: Sequence[float], unit: str) -> str:
    middle = f"{_short(median(values))} {unit}"
    return f"{middle} ({_short(min(values))}–{_short(max(values))})" if len(values) > 1 else middle


def _short(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    if figure.met is None or figure.target is None:
        return ""
    if figure.met:
        return "met"
    measured = figure.judged
    assert measured is not None
    return f"MISSED by {100 * (measured / figure.target.at_most - 1):.0f} %" if figure.target.at_most else "MISSED"


def write_json(path: Path, about: dict[str, Any], figures: Iterable[Figure]) -> None:
    path.write_text(json.dumps({"machine": about, "figures": [f.as_json() for f in figures]}, indent=1) + "\n")
