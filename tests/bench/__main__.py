"""`python -m tests.bench [NAME…] [--json FILE]`: measure, and print a table. The names are the modules of GROUPS."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

from tests.bench import large, lists, opened, prompt, rebuild, request, search, sessions, size, start, stream
from tests.bench.figure import Figure
from tests.bench.place import Program, from_source, from_wheel
from tests.bench.report import described, load, machine, table, write_json
from tests.bench.sizes import CUT, FULL, Sizes

GROUPS: Mapping[str, Callable[[Program, Sizes], list[Figure]]] = {
    "start": start.figures,
    "request": request.figures,
    "prompt": prompt.figures,
    "stream": stream.figures,
    "size": size.figures,
    "sessions": sessions.figures,
    "large": large.figures,
    "opened": opened.figures,
    "lists": lists.figures,
    "search": search.figures,
    "rebuild": rebuild.figures,
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measured value there")
    parser.add_argument("--source", action="store_true", help="run from this tree instead of from a wheel")
    parser.add_argument("--cut", action="store_true", help="few rounds: whether it runs, not how fast")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where large made sessions are kept (2.2 GB)")
    options = parser.parse_args()
    if options.data is not None:
        os.environ["AGENTD_BENCH_DATA"] = str(options.data)
    if unknown := set(options.names) - GROUPS.keys():
        parser.error(f"no such figures: {', '.join(sorted(unknown))}")
    sizes = CUT if options.cut else FULL
    about = machine()
    say(f"{described(about)}, load {load()}\n")
    figures: list[Figure] = []
    with nullcontext(from_source()) if options.source else from_wheel() as program:
        for name in options.names or GROUPS:
            before = load()
            found = GROUPS[name](program, sizes)
            say(f"{name} (load {before} → {load()})\n{table(found)}\n")
            figures += found
    if options.json is not None:
        write_json(options.json, about, figures)
    missed = [figure.name for figure in figures if figure.met is False]
    say(f"missed: {', '.join(missed)}" if missed else "every target is met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
