"""`python -m tests.support.messages_api --script FILE.json [--unix PATH]`: prints the URL, and runs until its input
ends. A line of input is the name of a gate to open. Exit code 1: a request came that the script has no answer for."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from .prompter import UnexpectedRequestError
from .scriptfile import ScriptFile, read
from .server import MessagesApi


async def run(script: ScriptFile, unix: Path | None) -> None:
    async with MessagesApi(script.replies, default=script.default, rules=script.rules, unix=unix) as api:
        sys.stdout.write(f"{api.url}\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            script.gates[line.strip()].open()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.messages_api", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="the replies, as scriptfile.py describes them")
    parser.add_argument("--unix", type=Path, help="listen on this Unix socket instead of a loopback port")
    options = parser.parse_args()
    try:
        asyncio.run(run(read(json.loads(options.script.read_text())), options.unix))
    except UnexpectedRequestError:
        # It was told on stderr as it happened.
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
