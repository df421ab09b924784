"""``agentd session events``: the event log of a session, for debugging; ``blob``: a large output of it."""

import base64
import json
import sys
from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, with_link
from agentd.cli.output import one_line
from agentd.cli.rows import local
from agentd.cli.table import fitted
from agentd.client.link import Link

PAGE = 1000
LAST = 200


def events(
    session: options.SessionId,
    after: Annotated[
        int | None, typer.Option("--after", min=0, metavar="SEQ", help="Those after this number.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help=f"The last N (default: {LAST}); with --after the next N.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Print a session's event log, for debugging.

    What happened and when, without what was said.
    """
    place = options.address(root)
    found = with_link(place, lambda link: _read(link, session, after, limit or LAST))
    if as_json:
        output.data({"events": found})
        return
    columns = output.width()
    for event in found:
        line = shown(event)
        output.line(line if columns is None else fitted(line, columns))
    if not found:
        output.note("No events yet." if not after else f"No events after {after}.")


async def _read(link: Link, session: str, after: int | None, limit: int) -> list[dict[str, Any]]:
    """The next so many, or the last ones: the log is capped, so reading all of it is bounded."""
    found: list[dict[str, Any]] = []
    at = after or 0
    while True:
        size = PAGE if after is None else min(PAGE, limit - len(found))
        page = given(await link.request("agentd/session/events", {"sessionId": session, "after": at, "limit": size}))
        found += page.get("events", [])
        found = found[-limit:] if after is None else found
        following = page.get("nextAfter")
        if following is None or following == at or (after is not None and len(found) >= limit):
            return found
        at = int(following)


def shown(event: dict[str, Any]) -> str:
    """Number, time, what, and the rest as ``name=value``."""
    rest = {key: value for key, value in event.items() if key not in ("seq", "time", "event")}
    details = " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in rest.items())
    time = local(str(event.get("time", "")))
    return one_line(f"{event.get('seq', '')}  {time}  {event.get('event', '')}  {details}")


def blob(
    session: options.SessionId,
    digest: Annotated[str, typer.Argument(metavar="HASH", help="Its SHA-256, as a turn's item names it.")],
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Print a large output or an image that was cut out of a turn, whole."""
    answer = ask(options.address(root), "agentd/session/blob", {"sessionId": session, "hash": digest})
    if as_json:
        output.data(answer)
        return
    content = base64.b64decode(str(answer.get("content", "")))
    if output.is_terminal(sys.stdout):
        output.write(output.clean(content.decode("utf-8", "replace")))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
