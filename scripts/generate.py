"""Writes what is generated from the protocol; with ``--check`` only says whether it is up to date.

python scripts/generate.py            # writes editors/PROTOCOL.md and vscode-client/src/protocol.gen.ts
python scripts/generate.py --check    # exit code 1, and the command that mends it, when one of them is stale
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The script runs from a checkout, whichever directory it is called from, and describes that checkout's protocol.
sys.path.insert(0, str(ROOT))

from scripts.generator import markdown, typescript  # noqa: E402

FILES = {"editors/PROTOCOL.md": markdown.render, "vscode-client/src/protocol.gen.ts": typescript.render}
MEND = "python scripts/generate.py"


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate the protocol's page and types.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check: bool = parser.parse_args().check
    stale = [(ROOT / name, text) for name, render in FILES.items() if (text := render()) != _current(ROOT / name)]
    for path, text in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is stale. Run: {MEND}", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and stale else 0


def _current(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
