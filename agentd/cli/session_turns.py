"""``agentd session interrupt | detach | seen | compact``: what is done about a session's turns."""

from typing import Annotated

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import FAILED, Stop, WrongUse
from agentd.cli.options import Json, Root, SessionId
from agentd.cli.rows import row_of

RUNNING = frozenset({"running", "waiting", "queued"})


def interrupt(
    session: SessionId,
    turn: Annotated[int | None, typer.Option("--turn", min=1, metavar="N", help="Drop this waiting prompt.")] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Stop the running turn; what was streamed is kept."""
    place = options.address(root)
    row = row_of(given(ask(place, "agentd/session/show", {"sessionId": session}).get("session")))
    if turn is None and row.state not in RUNNING:
        raise WrongUse(f"No turn of '{row.title}' is running")
    answer = ask(place, "agentd/turn/interrupt", present(sessionId=row.id, turn=turn))
    if as_json:
        output.data(answer)
        return
    stopped = given(answer.get("turn"))
    output.line(f"Turn {stopped.get('number')} of '{row.title}': {stopped.get('status')}")
    output.note(f"Again: agentd session retry {row.short}")


def detach(session: SessionId, as_json: Json = False, root: Root = None) -> None:
    """Leave the running turn to the background.

    It is listed there, and marked until somebody has looked.
    """
    place = options.address(root)
    answer = ask(place, "agentd/turn/detach", {"sessionId": session})
    if as_json:
        output.data(answer)
        return
    turn = given(answer.get("turn"))
    if turn.get("status") not in RUNNING:
        output.error(f"No turn of '{session}' is running", "agentd session background lists what is.")
        raise Stop(FAILED)
    output.line(
        f"Turn {turn.get('number')} runs on in the background. Look at it with: agentd session resume {session}"
    )


def seen(session: SessionId, as_json: Json = False, root: Root = None) -> None:
    """Say that somebody has looked at what a background turn did."""
    answer = ask(options.address(root), "agentd/session/seen", {"sessionId": session})
    if as_json:
        output.data(answer)
    else:
        output.line(f"Seen: session '{row_of(given(answer.get('session'))).title}'")


def compact(
    session: SessionId,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=0, metavar="N", help="Leave the last N turns as they are.", show_default=False),
    ] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Let a summary stand in for earlier turns; all stays on disk."""
    place = options.address(root)
    if not as_json:
        output.note("Summarizing … (the summary is written by the session's model)")
    answer = ask(place, "agentd/session/compact", present(sessionId=session, keepTurns=keep))
    if as_json:
        output.data(answer)
        return
    row = row_of(given(answer.get("session")))
    if row.broken_off:
        output.error(f"The summary was not written: the turn {row.broken_off}", f"agentd session show {row.short}")
        raise Stop(FAILED)
    output.line(f"Compacted session '{row.title}': a summary stands in for its earlier turns, which stay on disk")
