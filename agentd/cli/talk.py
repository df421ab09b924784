"""``agentd chat | continue | resume | run``, and ``agentd`` with a prompt or alone: options in, a wish out."""

import asyncio
from typing import Annotated, NoReturn

import typer

from agentd.cli import options, output, wish
from agentd.cli.failing import OK, Stop, WrongUse
from agentd.cli.session_change import checked_mode, checked_word
from agentd.client.dial import Address

WHEN_BUSY = ("queue", "steer", "reject")

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", show_default=False,
                   help="What to ask; '-' or nothing reads it from a pipe. None in a terminal: an interactive chat."),
]  # fmt: skip
Model = Annotated[str | None, typer.Option("--model", metavar="ID", help="See 'agentd model list'; any id goes.")]
ModeName = Annotated[str | None, typer.Option("--mode", metavar="MODE", help="plan, ask or edit.")]
Profile = Annotated[str | None, typer.Option("--profile", "--agent", metavar="NAME", help="The agent's profile.")]
Background = Annotated[bool, typer.Option("--background", help="Start the turn and return at once.")]
WhenBusy = Annotated[
    str, typer.Option("--when-busy", metavar="HOW", help="While a turn runs: queue, steer (joins it) or reject.")
]
JsonEvents = Annotated[bool, typer.Option("--json", help="Print the turn's events as JSON lines.")]


def add_to(app: typer.Typer) -> None:
    app.command("chat")(chat)
    app.command("continue")(continue_)
    app.command("resume")(resume)
    app.command("run", hidden=True)(chat)


def chat(
    words: Words = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="NAME-OR-ID",
            help="In this session; a name is made at its first use.",
            autocompletion=options.known_sessions,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="ID", help="In this one; it must exist.", autocompletion=options.known_sessions
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--continue", help="In the session used last.")] = False,
    model: Model = None,
    mode: ModeName = None,
    profile: Profile = None,
    background: Background = False,
    when_busy: WhenBusy = "queue",
    as_json: JsonEvents = False,
    working_dir: options.WorkingDir = None,
    root: options.Root = None,
) -> None:
    """Chat: once with a prompt, else interactively. A new session, unless one is named."""
    if sum((session is not None, resume is not None, latest)) > 1:
        raise WrongUse("Only one of --session, --resume and --continue can be given")
    begin(
        wish.Wish(
            options.address(root, working_dir), session=_named(session, "--session"), resume=_named(resume, "--resume"),
            latest=latest, model=model, mode=checked_mode(mode), profile=profile, background=background,
            when_busy=_checked_busy(when_busy), as_json=as_json,
        ),
        words or [],
    )  # fmt: skip


def continue_(
    words: Words = None,
    model: Model = None,
    mode: ModeName = None,
    background: Background = False,
    when_busy: WhenBusy = "queue",
    as_json: JsonEvents = False,
    working_dir: options.WorkingDir = None,
    root: options.Root = None,
) -> None:
    """Go on with the session used last; none yet: start one."""
    begin(
        wish.Wish(
            options.address(root, working_dir), latest=True, model=model, mode=checked_mode(mode),
            background=background, when_busy=_checked_busy(when_busy), as_json=as_json,
        ),
        words or [],
    )  # fmt: skip


def resume(
    session: Annotated[
        str | None, typer.Argument(metavar="[ID]", show_default=False, autocompletion=options.known_sessions)
    ] = None,
    words: Words = None,
    model: Model = None,
    mode: ModeName = None,
    background: Background = False,
    when_busy: WhenBusy = "queue",
    as_json: JsonEvents = False,
    root: options.Root = None,
) -> None:
    """Go on with a session that you name, or pick from a list."""
    place = options.address(root)
    if session is None:
        session = _picked(place)
    begin(
        wish.Wish(place, resume=_named(session, "The session"), model=model, mode=checked_mode(mode),
                  background=background, when_busy=_checked_busy(when_busy), as_json=as_json),
        words or [],
    )  # fmt: skip


def begin(wanted: wish.Wish, words: list[str]) -> NoReturn:
    """Chat as wished, and leave with the exit code."""
    checked_word("--model", wanted.model)
    checked_word("--profile", wanted.profile)
    complete = wish.with_prompt(wanted, words)
    if complete.interactive:
        from agentd.cli.interactive.loop import interactive

        raise Stop(asyncio.run(interactive(complete)))
    from agentd.cli.oneshot import one_shot

    raise Stop(asyncio.run(one_shot(complete)))


def _named(session: str | None, what: str) -> str | None:
    if session is not None and not session.strip():
        raise WrongUse(f"{what}: the name is empty")
    return session


def _checked_busy(how: str) -> str:
    if how not in WHEN_BUSY:
        raise WrongUse(f"--when-busy: '{how}' is not known", f"Known: {', '.join(WHEN_BUSY)}.")
    return how


def _picked(place: Address) -> str:
    """The id of the session that was picked."""
    if not output.can_draw():
        raise WrongUse("Picking a session needs a terminal", "Name it: agentd session resume ID")
    from agentd.cli.interactive.picker import pick_session

    picked = asyncio.run(pick_session(place))
    if picked is None:
        raise Stop(OK)
    return picked
