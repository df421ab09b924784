"""``agentd session fork | resume | retry``: those that look at turns or start one."""

import asyncio
from typing import Annotated

import typer

from agentd.cli import options, output, talk
from agentd.cli.asking import ask, given, present
from agentd.cli.failing import OK, Stop, WrongUse
from agentd.cli.rows import row_of, short_id
from agentd.cli.session_change import warn_of_namesake
from agentd.cli.wish import Wish
from agentd.client.dial import Address

resume = talk.resume


def fork(
    session: options.SessionId,
    turn: Annotated[
        str | None,
        typer.Argument(metavar="[TURN]", help="Through this turn (0: none). None: choose.", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Make a new session of a session's turns through TURN.

    The original stays as it is.
    """
    place = options.address(root)
    through = _turn_number(turn)
    if turn is None and output.can_draw() and not as_json:
        through = _chosen_turn(place, session)
    answer = ask(place, "agentd/session/fork", present(sessionId=session, turn=through, name=name))
    if as_json:
        output.data(answer)
        return
    row = row_of(given(answer.get("session")))
    after = given(row.forked_from).get("turn", through)
    called = f" '{row.title}'" if row.name else ""
    source = short_id(str(given(row.forked_from).get("sessionId", session)))
    output.line(f"Forked from {source} at turn {after}: new session{called} {row.short}")
    warn_of_namesake(place, row)
    output.note(f"Go on with it: agentd session resume {row.short}")


def _turn_number(turn: str | None) -> int | None:
    if turn is None:
        return None
    if not turn.isdecimal():
        raise WrongUse(f"TURN must be a number, not '{turn}'", "agentd session fork ID [TURN] [NAME]")
    return int(turn)


def _chosen_turn(place: Address, session: str) -> int:
    from agentd.cli.interactive.picker import pick_turn

    picked = asyncio.run(pick_turn(place, session))
    if picked is None:
        raise Stop(OK)
    return picked


def retry(
    session: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: the one used last.")] = None,
    as_json: talk.JsonEvents = False,
    root: options.Root = None,
) -> None:
    """Send a failed or interrupted last prompt again."""
    from agentd.cli.oneshot import again

    wanted = Wish(options.address(root), resume=session, latest=session is None, as_json=as_json)
    raise Stop(asyncio.run(again(wanted)))
