"""The golden directories: ``golden/<format>/<case>/`` holds the input (a file or a directory called ``input…``, or a
whole session's directory ``session``), and ``expected.json``: what comes of it, or ``refused.txt``: the error.

``python -m tests.importing.golden`` writes what is expected anew: read the difference before you keep it.
"""

import json
import os
import sys
import time
from pathlib import Path

from agentd.errors import ImportFailed
from tests.importing.reads import read

GOLDEN = Path(__file__).with_name("golden")
CASES = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())
IDS = [f"{case.parent.name}/{case.name}" for case in CASES]


def input_of(case: Path) -> Path:
    (found,) = (path for path in case.iterdir() if path.name.startswith(("input", "session")) and not _beside(path))
    return found


def _beside(path: Path) -> bool:
    """A directory of sub-agents beside its transcript."""
    return path.is_dir() and path.with_name(path.name + ".jsonl").exists()


def outcome(case: Path) -> tuple[str, str]:
    """The name of the file that holds what is expected, and its text. Times without a zone are UTC here."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        result = read(input_of(case))
    except ImportFailed as error:
        return "refused.txt", error.message + "\n"
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
    return "expected.json", json.dumps(result.dump(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write() -> None:
    for case in CASES:
        for name in ("expected.json", "refused.txt"):
            (case / name).unlink(missing_ok=True)
        name, text = outcome(case)
        (case / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{case.parent.name}/{case.name}/{name}\n")


if __name__ == "__main__":
    write()
