"""``agentd session delete | cleanup``: after them something is gone, so they say first what, and ask."""

import sys
from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import given, present, with_link
from agentd.cli.failing import FAILED, OK, Stop, WrongUse
from agentd.cli.rows import Row, counted, row_of, rows_of, size
from agentd.cli.table import listed
from agentd.client.link import Link

DAYS = 30
SHOWN = 30
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")]
Confirm = Annotated[bool, typer.Option("--confirm", "--yes", "-y", help="Do not ask.")]
Sessions = Annotated[
    list[str],
    typer.Argument(metavar="ID…", help="Sessions: ids, beginnings of ids, or names.", show_default=False,
                   autocompletion=options.known_sessions),
]  # fmt: skip


def delete(
    sessions: Sessions,
    confirm: Confirm = False,
    dry_run: DryRun = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Delete sessions for good.

    Forks and sub-sessions of them stay whole. Asks in a terminal; elsewhere it needs --confirm.
    """
    place = options.address(root)
    rows, count = with_link(place, lambda link: _would_go(link, sessions))
    if not as_json or not (confirm or dry_run):
        _tell(rows, count, len(rows))
    if dry_run:
        _ended({"dryRun": True, "deleted": [row.id for row in rows], "bytes": count}, as_json, None)
    _agreed(len(rows), confirm, "agentd session delete ID --confirm")
    deleted, freed = with_link(place, lambda link: _delete(link, rows))
    _ended(
        {"deleted": deleted, "bytes": freed},
        as_json,
        f"Deleted {counted(len(deleted), 'session')}, which freed {size(freed)}.",
    )


def cleanup(
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            min=0,
            metavar="N",
            help=f"Not used for N days (default: {DAYS}; with --empty: any time).",
            show_default=False,
        ),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Only sessions without a message.")] = False,
    named: Annotated[bool, typer.Option("--named", help="Also those that were named by hand.")] = False,
    archived: Annotated[bool, typer.Option("--archived", help="Only archived ones.")] = False,
    confirm: Confirm = False,
    dry_run: DryRun = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Delete sessions that have not been used for long.

    Those that were named by hand stay. Says first what would go; asks in a terminal, and needs --confirm elsewhere.
    """
    place = options.address(root)
    wished = present(olderThanDays=days if days is not None else 0 if empty else DAYS, emptyOnly=empty or None,
                     keepNamed=False if named else None, status="archived" if archived else None)  # fmt: skip
    would = with_link(place, lambda link: _cleanup(link, {**wished, "dryRun": True}))
    rows, count = rows_of(would.get("sessions", [])), int(would.get("bytes", 0))
    total = int(would.get("total", len(rows)))
    if not as_json or not (confirm or dry_run):
        _tell(rows, count, total)
        _problems(would)
    if dry_run or not rows:
        _ended({"dryRun": dry_run, **would}, as_json, None)
    _agreed(total, confirm, "agentd session cleanup … --confirm")
    done = with_link(place, lambda link: _cleanup(link, {**wished, "dryRun": False}))
    _problems(done)
    gone = counted(int(done.get("total", 0)), "session")
    _ended({"dryRun": False, **done}, as_json, f"Deleted {gone}, which freed {size(int(done.get('bytes', 0)))}.",
           FAILED if done.get("problems") else OK)  # fmt: skip


async def _would_go(link: Link, sessions: list[str]) -> tuple[list[Row], int]:
    """The sessions that were named, each once, and what deleting them frees. Raises what the daemon says of any."""
    rows: dict[str, Row] = {}
    count = 0
    for asked in sessions:
        row = row_of(given(given(await link.request("agentd/session/show", {"sessionId": asked})).get("session")))
        if row.id in rows:
            continue
        rows[row.id] = row
        count += int(given(await link.request("agentd/session/delete", {"sessionId": row.id, "dryRun": True}))["bytes"])
    return list(rows.values()), count


async def _delete(link: Link, rows: list[Row]) -> tuple[list[str], int]:
    deleted: list[str] = []
    freed = 0
    for row in rows:
        answer = given(await link.request("agentd/session/delete", {"sessionId": row.id, "confirm": True}))
        deleted += answer.get("deleted", [])
        freed += int(answer.get("bytes", 0))
    return deleted, freed


async def _cleanup(link: Link, params: dict[str, Any]) -> dict[str, Any]:
    return given(await link.request("agentd/session/cleanup", params))


def _tell(rows: list[Row], count: int, total: int) -> None:
    """What would go: to stdout, because that is what a dry run is for. ``rows``: the first of so many."""
    if not rows:
        output.note("Nothing to delete. Sessions that were named by hand stay, unless --named is given.")
        return
    for line in listed(rows[:SHOWN], output.width()):
        output.line(line)
    if total > SHOWN:
        output.line(f"… and {total - SHOWN} more")
    output.line(f"{counted(total, 'session')} would go for good, which frees {size(count)}.")


def _problems(answer: dict[str, Any]) -> None:
    for problem in answer.get("problems", []):
        output.note(str(problem))


def _agreed(total: int, confirm: bool, command: str) -> None:
    """Goes on if it was agreed to; else ends the command."""
    if confirm:
        return
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stderr)):
        raise WrongUse("Nothing was deleted: outside a terminal it needs --confirm", command)
    question = "Delete it for good?" if total == 1 else f"Delete these {total} for good?"
    if not output.agreed(question):
        output.note("Nothing was deleted.")
        raise Stop(OK)


def _ended(answer: dict[str, Any], as_json: bool, told: str | None, code: int = OK) -> None:
    if as_json:
        output.data(answer)
    elif told:
        output.line(told)
    raise Stop(code)
