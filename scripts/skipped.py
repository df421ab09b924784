"""Reads pytest's JUnit report and fails when a test was skipped that should have run.

    python scripts/skipped.py report.xml

Where everything is installed (in ``.ci/run``) a skip hides a test, above all one that drives an editor. The only good
reason is another operating system: a reason that begins with one of ``GOOD``.
"""

import sys
from xml.etree import ElementTree

GOOD = ("macOS only", "not on Linux")


def main(report: str) -> int:
    wrong = [
        f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}"
        for case in ElementTree.parse(report).iter("testcase")
        for skip in case.iter("skipped")
        if skip.get("type") == "pytest.skip" and not (skip.get("message") or "").startswith(GOOD)
    ]
    for line in wrong:
        print(f"skipped: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
