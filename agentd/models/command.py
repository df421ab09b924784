"""Runs the user's ``api_key_command``: no shell, a time limit, and never a word of what it printed in an error."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

from agentd.errors import ModelUnavailable

_SECONDS: Final = 30.0
_PIECE: Final = 64 * 1024


async def run_for_line(command: Sequence[str], environment: Mapping[str, str], what: str) -> str:
    """The first line of its output, without blanks around it; ``what`` names it in errors.

    Raises ``ModelUnavailable`` when it cannot be started, fails or takes too long. It is killed, with what it
    started, when this is cancelled.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it cannot be started"
        raise ModelUnavailable(f"{what}: {reason}.") from error
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_SECONDS):
            line = await process.stdout.readline()
            while await process.stdout.read(_PIECE):
                # A full pipe would keep it from ending.
                pass
            code = await process.wait()
    except TimeoutError as error:
        raise ModelUnavailable(f"{what} took longer than {_SECONDS:g} s.") from error
    except ValueError as error:
        raise ModelUnavailable(f"{what} printed a line without an end.") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise ModelUnavailable(f"{what} failed with exit code {code}.")
    return line.decode(errors="replace").strip()
