"""The embedded model's process: llama.cpp's server, out of xllamacpp, on a Unix socket. Run as a script.

It imports nothing of the package, so that it starts quickly and a crash in it costs the daemon nothing. It ends with
its parent: when its standard input does, or by the parent's death signal on Linux. Its arguments are the weights, the
socket, the model's name, tokens of context for each request, and requests served at once; the key is in
``AGENTD_LOCAL_KEY``. It says ``{"ready": true}`` on standard output once it serves.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_IDLE_SECONDS = 120
_MAX_THREADS = 4


def main(weights: str, socket: str, name: str, window: int, parallel: int) -> None:
    def leave() -> None:
        # No clean-up of the library's threads: whoever waited for them has gone.
        _tidy(Path(socket))
        os._exit(0)

    def leave_when_told() -> None:
        signal.sigwait({signal.SIGTERM})
        leave()

    # Blocked here, and so in every thread of the library, and taken by one thread that only waits for it: a handler
    # would not run when the signal comes just before the read below, and that read would then wait for ever.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=leave_when_told, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    if os.getppid() != int(os.environ.pop("AGENTD_LOCAL_PARENT")):
        leave()

    # Threads that spin while they wait for each other make it twenty times slower when the machine is busy.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    # Named like this because it has no types, and may not be installed where types are checked.
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = weights, name
    params.hostnames, params.port = [socket], 0
    params.api_keys = [os.environ.pop("AGENTD_LOCAL_KEY")]
    params.n_ctx, params.n_parallel = window * parallel, parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(_MAX_THREADS, os.cpu_count() or 1)
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.cache_ram_mib, params.verbosity = 0, 0
    params.ui, params.endpoint_slots = False, False
    params.sleep_idle_seconds = _IDLE_SECONDS
    # Temperature as the model's makers advise, and a light penalty: without it so small a model repeats itself.
    sampling = params.sampling
    sampling.temp, sampling.top_p, sampling.penalty_repeat, sampling.penalty_last_n = 0.2, 0.9, 1.08, 64
    # Browsers must not reach it; there is no origin that it serves.
    params.cors_origins = "http://127.0.0.1"
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"ready": server.listening_address is not None}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    leave()


def _die_with_parent() -> None:
    """Also when the parent is killed while the model loads and nobody reads standard input yet."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tidy(socket: Path) -> None:
    """The directory was made for this socket alone; a daemon that was killed cannot remove it."""
    try:
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
