"""One prompt, its streamed reply, and an exit code."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from agentd.cli import firstrun, output
from agentd.cli.failing import FAILED, INTERRUPTED, OK, Stop, reason_hint
from agentd.cli.interrupt import Interrupts
from agentd.cli.rows import short_id
from agentd.cli.showing import Showing, showing
from agentd.cli.target import Target, find, title
from agentd.cli.wish import Wish
from agentd.client.failures import ConnectionLost
from agentd.client.streams import EventStream, TurnStream
from agentd.client.typed import Client
from agentd.errors import AgentdError
from agentd.protocol import ChatParams, ContextItem, Notice, Turn

CUT = {
    "max_tokens": "The reply was cut: it reached the longest that is allowed (max_tokens). Ask it to go on.",
    "refusal": "The model declined to answer.",
}


async def one_shot(wish: Wish) -> int:
    async with Client(wish.place) as client:
        heard = client.events()
        target = await find(client, wish)
        await _tell_damage(heard)
        del heard  # it would keep all that comes
        await firstrun.prepare(client, target.session, wish.model)
        if wish.background:
            return await _in_background(client, wish, target)
        with _lost_midway():
            return await play(client, stream_of(client, wish, target), showing(as_json=wish.as_json), made=target.name)


def stream_of(client: Client, wish: Wish, target: Target) -> TurnStream:
    return client.chat(
        wish.prompt or "",
        session=target.session.id if target.session else None,
        name=target.name,
        create=target.name is not None,
        context=context_of(wish),
        model=wish.model,
        profile=wish.profile,
        mode=wish.mode,
        when_busy=wish.when_busy,
    )


def context_of(wish: Wish) -> tuple[ContextItem, ...]:
    """What was piped in beside a prompt."""
    return (ContextItem(type="text", text=wish.piped, title="standard input"),) if wish.piped else ()


async def _in_background(client: Client, wish: Wish, target: Target) -> int:
    """The prompt is synced and the turn goes on in the daemon: say where to find it."""
    session = target.session
    params = ChatParams(
        session_id=session.id if session else None, session_name=target.name, create=target.name is not None,
        prompt=wish.prompt or "", context=context_of(wish), model=wish.model, profile=wish.profile, mode=wish.mode,
        background=True, when_busy=wish.when_busy,
    )  # fmt: skip
    answer = await client.send(params)
    if target.name is not None:
        output.note(created(target.name))
    if wish.as_json:
        output.data(answer.dump())
    else:
        short = answer.session.id[:8]
        output.line(f"Running in the background: session '{title(answer.session)}', turn {answer.turn.number}")
        output.note(f"Look at it with: agentd session resume {short}")
    return OK


@dataclass(frozen=True, slots=True)
class Ways:
    """What to type for going on and for trying again: other words on the command line than in the chat."""

    go_on: str = "'agentd continue'"
    retry: str = "'agentd session retry'"
    resume: str = "agentd session resume"
    named: bool = True

    def again(self, session: str) -> str:
        return f"{self.retry[:-1]} {short_id(session)}'" if self.named else self.retry

    def look(self, session: str) -> str:
        return f"'{self.resume} {short_id(session)}'"


def created(name: str) -> str:
    return f"Created new session: '{name}'"


async def play(
    client: Client, stream: TurnStream, shown: Showing, ways: Ways = Ways(), *, made: str | None = None
) -> int:
    """Show a turn until it has ended, and say how it ended if it did not simply complete.

    ``made``: the name of the session that this prompt makes, told once the daemon has made it.
    """
    waiting = False
    with Interrupts(client, stream) as interrupts:
        try:
            async for event in stream:
                interrupts.look()
                if made is not None and stream.place is not None:
                    output.note(created(made))
                    made = None
                waiting = event.type != "turn/started" and (waiting or event.type == "turn/queued")
                if event.type == "turn/queued":
                    output.note("Waiting for the running turn to end …")
                if stream.envelope is not None:
                    shown.event(stream.envelope)
        except asyncio.CancelledError:
            if interrupts.detached and stream.place is not None:
                output.note(f"The turn runs on in the background. Look at it with {ways.look(stream.place[0])}.")
                return OK
            if not interrupts.hit:
                raise
            kept = f" What was streamed is kept: {ways.go_on}." if stream.turn and _streamed(stream.turn) else ""
            output.note(f"Left while the turn was being stopped.{kept}")
            return INTERRUPTED
        except (BrokenPipeError, output.Unwritable):  # nobody reads on: the turn goes on, and is looked at later
            await interrupts.to_background()
            raise
        finally:
            shown.close()
    if stream.turn is not None and stream.turn.status == "queued" and stream.place is not None:
        output.note(f"Your prompt is kept and waits: {ways.again(stream.place[0])} goes on.")
        return FAILED
    if waiting and stream.turn is not None and stream.turn.status == "interrupted":
        output.note("The waiting prompt was dropped; nothing of it was sent to the model.")
        return INTERRUPTED
    return outcome(stream.turn, ways)


def outcome(turn: Turn | None, ways: Ways) -> int:
    """The exit code of a turn that has ended; what is to be said about it goes to stderr."""
    if turn is None:
        return FAILED
    if turn.status == "interrupted" and not _streamed(turn):
        output.note(f"Interrupted before anything was streamed. Your prompt again: {ways.retry}.")
        return INTERRUPTED
    if turn.status == "interrupted":
        output.note(f"Interrupted. What was streamed is kept: go on with {ways.go_on}, or again with {ways.retry}.")
        return INTERRUPTED
    if turn.status == "failed":
        failed(turn, ways.retry)
        return FAILED
    told = CUT.get(turn.stop_reason or "")
    if told:
        output.note(told)
    return OK


def _streamed(turn: Turn) -> bool:
    return any(item.kind != "prompt" for item in turn.items)


def failed(turn: Turn, retry: str) -> None:
    """What went wrong, what was kept, what to do."""
    message = turn.error.message if turn.error else "The turn failed"
    reason = str((turn.error.model_extra or {}).get("reason", "")) if turn.error else ""
    again = f"try it again with {retry}."
    kept = again.capitalize() if "prompt is kept" in message else f"Your prompt is kept: {again}"
    told = reason_hint(reason)
    output.error(message, f"{told} {kept}" if told else kept)


async def again(wish: Wish) -> int:
    """The failed or interrupted last prompt once more."""
    async with Client(wish.place) as client:
        heard = client.events()
        opened = await client.resume(wish.resume, limit=0)
        await _tell_damage(heard)
        del heard
        await firstrun.prepare(client, opened.session, None)
        with _lost_midway():
            code = await play(client, client.retry(opened.session.id), showing(as_json=wish.as_json))
        with suppress(AgentdError):  # it was watched to its end
            await client.seen(opened.session.id)
        return code


async def _tell_damage(heard: EventStream) -> None:
    """What the daemon said of a session that is not whole, when it opened it."""
    while (params := await heard.next_unless(lambda: True)) is not None:
        if isinstance(params.event, Notice) and params.event.kind == "store":
            output.note(output.one_line(params.event.message))


@contextmanager
def _lost_midway() -> Iterator[None]:
    """What a daemon's end means to a prompt."""
    try:
        yield
    except ConnectionLost as lost:
        output.error(lost.message, "What was streamed is kept: 'agentd continue' goes on, 'agentd session retry' sends "
                                   "the prompt again; both start the daemon. 'agentd logs' may say more.")  # fmt: skip
        raise Stop(FAILED) from None
