"""The README's test command is the one that CI runs, to the letter."""

from tests.architecture.repository import ROOT

COMMAND = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev]' && .venv/bin/pytest"


def test_ci_runs_the_command_of_the_readme() -> None:
    assert COMMAND in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert COMMAND in (line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines())
