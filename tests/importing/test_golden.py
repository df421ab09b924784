"""Every golden directory comes out as it is expected, and every format has some."""

from pathlib import Path
from typing import get_args

import pytest

from agentd.protocol import ImportFormat
from tests.importing.golden import CASES, IDS, outcome


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_golden(case: Path) -> None:
    name, text = outcome(case)
    assert text == (case / name).read_text(encoding="utf-8"), "python -m tests.importing.golden writes it anew"


def test_every_format_has_cases() -> None:
    assert {case.parent.name for case in CASES} - {"none"} == set(get_args(ImportFormat))
