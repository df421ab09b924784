"""Modules stay small: none above 400 lines, and the package's median module is a screen or two."""

from statistics import median

from tests.architecture.repository import ROOT, modules, sources

LONGEST = 400
MEDIAN = 130
GENERATED = (".gen.ts", "protocol.lua")


def length(name: str) -> int:
    return len((ROOT / name).read_text(encoding="utf-8").splitlines())


def test_no_module_is_too_long() -> None:
    written = [name for name in sources(".py", ".ts", ".lua") if not name.endswith(GENERATED)]
    assert written
    long = {name: lines for name in written if (lines := length(name)) > LONGEST}
    assert not long, f"above {LONGEST} lines: {long}. Each is a house that has grown past its rooms."


def test_the_median_module_is_short() -> None:
    lengths = [lines for name in modules().values() if (lines := length(name)) > 1]
    assert median(lengths) <= MEDIAN
