"""The chat's commands: one table, which feeds /help, completion and what happens."""

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from agentd.cli import output
from agentd.cli.failing import WrongUse
from agentd.cli.interactive import doing
from agentd.cli.interactive.chat import Chat

NARROW = 60
Completes = Literal["sessions", "models", "modes", "actions"]


@dataclass(frozen=True, slots=True)
class Command:
    """``completes``: what its first argument is completed from."""

    name: str
    arguments: str
    help: str
    run: Callable[[Chat, list[str]], Awaitable[None]]
    aliases: tuple[str, ...] = ()
    completes: Completes | None = None


async def _help(_chat: Chat, _words: list[str]) -> None:
    size = max(len(f"{command.name} {command.arguments}") for command in COMMANDS)
    narrow = (output.width() or 80) < NARROW
    for command in COMMANDS:
        usage = f"{command.name} {command.arguments}"
        also = f" (also {', '.join(command.aliases)})" if command.aliases else ""
        told = command.help + also
        if narrow:
            output.line(f"  {usage}")
            output.line(output.styled(output.wrapped(f"      {told}", indent=" " * 6), "dim"))
        else:
            output.line(f"  {usage.ljust(size)}  {output.styled(told, 'dim')}")
    output.note("Alt-Enter: a new line. Ctrl-C: stop the turn. Ctrl-D: leave. @path brings a file along.")


async def _quit(chat: Chat, _words: list[str]) -> None:
    chat.leaving = True


COMMANDS: tuple[Command, ...] = (
    Command("/status", "", "this session", doing.status),
    Command("/sessions", "[list|history|…]", "the sessions, the archived ones, those at work", doing.sessions,
            ("/list",), "actions"),
    Command("/new", "[NAME]", "start a new session", doing.new),
    Command("/resume", "[ID]", "go to another session", doing.resume, ("/load", "/switch"), "sessions"),
    Command("/fork", "[TURN] [NAME]", "go on in a copy, from TURN on", doing.fork),
    Command("/rename", "NAME", "name this session", doing.rename, ("/name",)),
    Command("/archive", "", "put this session away", doing.archive),
    Command("/restore", "ID", "bring an archived session back", doing.restore),
    Command("/clear", "[--keep N]", "send earlier turns no longer to the model", doing.clear),
    Command("/retry", "", "send the last prompt again", doing.retry),
    Command("/model", "[ID]", "show or change the model", doing.model, (), "models"),
    Command("/mode", "[MODE]", "plan, ask or edit", doing.mode, (), "modes"),
    Command("/help", "", "this list", _help, ("/?",)),
    Command("/quit", "", "leave; the session is kept", _quit, ("/exit", "/q")),
)  # fmt: skip

BY_NAME: dict[str, Command] = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def is_command(text: str) -> bool:
    """``/new`` is one, ``/usr/bin is full`` is a prompt."""
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    return word.startswith("/") and "/" not in word[1:]


async def run(chat: Chat, text: str) -> None:
    """Do what the line says. Nothing is sent for a command that is not known."""
    try:
        word, *arguments = shlex.split(text)
    except ValueError:  # an apostrophe is no quote to most people
        word, *arguments = text.split()
    command = BY_NAME.get(word)
    if command is None:
        near = get_close_matches(word, BY_NAME, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "/help lists them."
        raise WrongUse(f"No such command: {word}", f"{hint} Nothing was sent.")
    await command.run(chat, arguments)
