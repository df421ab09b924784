"""pip's process, run as a script: ARGUMENTS are a wheel to run pip out of (empty: the installed one), then pip's own.

It ends when its standard input does: so does it with its parent, whatever ends that. Imports nothing of the package.
"""

import os
import runpy
import sys
import threading


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    wheel = sys.argv.pop(1)
    if wheel:
        sys.path.insert(0, wheel)
    sys.argv[0] = "pip"
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock this thread would hold when the interpreter shuts down, which aborts it.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
