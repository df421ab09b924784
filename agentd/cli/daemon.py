"""``agentd status | stop | logs``: the daemon of this project. None of them starts one."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from agentd import paths
from agentd.cli import options, output
from agentd.cli.asking import given, if_running
from agentd.cli.failing import FAILED, Stop
from agentd.cli.output import one_line
from agentd.cli.rows import age, counted, local, short_id
from agentd.client.link import Link
from agentd.errors import AgentdError

STOP_SECONDS = 30.0
TAIL = 50
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on as it is written.")]
Lines = Annotated[int, typer.Option("-n", "--lines", min=0, metavar="N", help="The last N lines.")]


def add_to(app: typer.Typer) -> None:
    app.command("status")(status)
    app.command("stop")(stop)
    app.command("logs")(logs)


def status(as_json: options.Json = False, root: options.Root = None) -> None:
    """Show the daemon: version, connections, sessions, turns."""
    place = options.address(root)
    answer = if_running(place, _status)
    if as_json:
        output.data({"daemon": answer is not None, "root": place.resolved(), **(answer or {})})
    elif answer is None:
        output.line(f"No daemon runs for {place.resolved()}. The next chat starts one.")
    else:
        for label, value in described(answer):
            output.fact(label, value)


async def _status(link: Link) -> dict[str, Any]:
    return given(await link.request("agentd/status", {}))


def described(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What the daemon says of itself, label and value."""
    counts = ", ".join(f"{count} {status}" for status, count in given(answer.get("sessions")).items())
    lines = [
        ("Daemon", f"agentd-lsp {answer.get('version')}, process {answer.get('pid')}"),
        ("Root", str(answer.get("root"))),
        ("Store", str(answer.get("store"))),
        ("Started", f"{local(str(answer.get('started')))} ({age(str(answer.get('started')))})"),
        ("Connections", str(answer.get("connections"))),
        ("Sessions", counts or "none"),
        ("Model", str(answer.get("model"))),
        ("Saving", "works" if answer.get("saving", True) else "fails: see 'agentd doctor'"),
    ]
    for turn in answer.get("running", []):
        name = one_line(str(turn.get("name") or short_id(str(turn.get("sessionId")))))
        lines.append(("Running", f"turn {turn.get('turn')} of '{name}'"))
    return lines + [("Problem", str(problem)) for problem in answer.get("problems", [])]


def stop(root: options.Root = None) -> None:
    """Stop the daemon; a running turn is interrupted and saved."""
    place = options.address(root)

    async def leave(link: Link) -> int:
        turns = 0
        with suppress(AgentdError):  # a daemon that can't say how it is must be stopped all the more
            turns = len(given(await link.request("agentd/status", {})).get("running", []))
        await link.request("agentd/shutdown", {})
        async with asyncio.timeout(STOP_SECONDS):
            await link.closed
        return turns

    try:
        turns = if_running(place, leave)
    except TimeoutError:
        output.error("The daemon was asked to stop and has not ended yet", "See 'agentd logs' and 'agentd status'.")
        raise Stop(FAILED) from None
    if turns is None:
        output.line(f"No daemon runs for {place.resolved()}.")
    else:
        kept = f"; {counted(turns, 'running turn')} interrupted and saved" if turns else ""
        output.line(f"Stopped the daemon of {place.resolved()}{kept}.")


def logs(follow: Follow = False, lines: Lines = TAIL, root: options.Root = None) -> None:
    """Print the end of the daemon's log."""
    place = options.address(root)
    path = Path(paths.log_path(paths.project_dir(paths.data_dir(os.environ), place.resolved())))
    if not path.exists():
        output.note(f"No log yet: {path}")
        return
    if follow:
        os.execlp("tail", "tail", "-n", str(lines), "-F", str(path))  # noqa: S606 (it does just this, on both systems)
    for text in _tail(path, lines):
        output.line(output.clean(text))


def _tail(path: Path, lines: int) -> list[str]:
    """The last lines; a log of any size costs its last 64 KB."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65536))
        found = file.read().decode("utf-8", "replace").splitlines()
    return found[-lines:] if lines else []
