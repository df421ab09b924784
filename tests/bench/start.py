"""From nothing to an answer: the bridge to a running daemon, and the daemon itself."""

import json
import subprocess
import time
from statistics import median
from typing import Any

from tests.bench.figure import Figure, Target, in_turns
from tests.bench.place import Place, Program, milliseconds, place
from tests.bench.sizes import Sizes

INITIALIZE: dict[str, Any] = {"processId": None, "rootUri": None, "capabilities": {}}


def figures(program: Program, sizes: Sizes) -> list[Figure]:
    with place(program) as here:
        here.start()
        attach, bare = in_turns(
            sizes.starts, lambda: attached(here), lambda: spawned(program, "-I", "-S", "-c", "pass")
        )
    with place(program) as here:
        code = "import lsprotocol.types, os; os._exit(0)"
        cold, imported = in_turns(sizes.cold_starts, lambda: cold_start(here), lambda: spawned(program, "-c", code))
    limit = 2.2 * median(imported) + median(attach)
    return [
        Figure(
            "attach through the bridge", "ms", attach, Target(6, "ratio"), "python3 -I -S -c pass", bare
        ),
        Figure(
            "cold start, no daemon", "ms", cold, Target(limit, why="2.2 × the import + the bridge"),
            "import lsprotocol.types", imported,
        ),
    ]  # fmt: skip


def spawned(program: Program, *arguments: str) -> float:
    """Milliseconds from a process's start to its end."""
    begun = time.monotonic_ns()
    subprocess.run([program.python, *arguments], check=True)
    return milliseconds(begun)


def attached(here: Place) -> float:
    """Milliseconds from the bridge's start to the answer to ``initialize``."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}).encode()
    begun = time.monotonic_ns()
    with subprocess.Popen(
        [*here.program.command, "lsp", "--root", str(here.home.root)],
        env=here.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as bridge:
        assert bridge.stdin is not None
        assert bridge.stdout is not None
        bridge.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        bridge.stdin.flush()
        length = int(bridge.stdout.readline().removeprefix(b"Content-Length: "))
        bridge.stdout.readline()
        answer: dict[str, Any] = json.loads(bridge.stdout.read(length))
        took = milliseconds(begun)
        bridge.stdin.close()
    assert "result" in answer, answer
    return took


def cold_start(here: Place) -> float:
    took = attached(here)
    assert here.pid
    here.stop()
    return took
