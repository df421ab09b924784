"""The chat's commands: one table, which feeds /help, completion and what happens."""

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from agentd.cli import output
from agentd.cli.failing import WrongUse
from agentd.cli.interactive import deleting, doing, listing
from agentd.cli.interactive.chat import Chat
from agentd.cli.words import is_slip

NARROW = 60
Completes = Literal["sessions", "models", "modes", "actions", "profiles", "formats"]


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
    columns = output.width()
    narrow = columns is not None and columns < NARROW
    for command in COMMANDS:
        usage = f"{command.name} {command.arguments}"
        also = f" (also {', '.join(command.aliases)})" if command.aliases else ""
        told = command.help + also
        if narrow:
            output.line(f"  {usage}")
            output.line(output.styled(output.wrapped(f"      {told}", indent=" " * 6), "dim"))
        else:
            under = " " * (size + 4)
            line = output.wrapped(f"  {usage.ljust(size)}  {told}", indent=under)
            output.line(line[: size + 4] + output.styled(line[size + 4 :], "dim"))
    output.note("Alt-Enter: a new line. Ctrl-C: stop the turn. Ctrl-\\: leave it to the background. Ctrl-D: leave. "
                "@path brings a file along.")  # fmt: skip


async def _quit(chat: Chat, _words: list[str]) -> None:
    chat.leaving = True


COMMANDS: tuple[Command, ...] = (
    Command("/status", "", "this session", doing.status),
    Command("/sessions", "[history|…]", "the sessions (--limit, --search)", listing.sessions, ("/list",),
            "actions"),
    Command("/search", "WORDS [--limit N]", "find what was said, in all sessions", listing.search, ("/find",)),
    Command("/new", "[NAME]", "start a new session", doing.new),
    Command("/resume", "[ID]", "go to another session", doing.resume, ("/load", "/switch"), "sessions"),
    Command("/fork", "[TURN] [NAME]", "go on in a copy, through TURN", doing.fork),
    Command("/retry", "", "send the last prompt again", doing.retry),
    Command("/background", "[PROMPT]", "a turn that is not waited for", doing.background, ("/detach",)),
    Command("/rename", "NAME", "name this session", doing.rename, ("/name",)),
    Command("/tag", "+TAG -TAG", "add and remove tags", doing.tag),
    Command("/describe", "TEXT", "describe this session", doing.describe),
    Command("/archive", "[ID]", "put a session away", doing.archive, (), "sessions"),
    Command("/restore", "ID", "bring an archived session back", doing.restore),
    Command("/delete", "[ID]", "delete a session for good", deleting.delete, (), "sessions"),
    Command("/clear", "[--keep N]", "send earlier turns no longer to the model", doing.clear),
    Command("/compact", "[--keep N]", "a summary stands in for earlier turns", doing.compact),
    Command("/stats", "[all]", "tokens and cost", listing.stats, ("/cost",)),
    Command("/documents", "[new NAME]", "this session's notes and plans", listing.documents, ("/docs",)),
    Command("/export", "[FORMAT]", "to a file: markdown, html, json or agentd", doing.export, (), "formats"),
    Command("/model", "[ID]", "show or change the model", doing.model, (), "models"),
    Command("/profile", "[NAME]", "show or change the profile", listing.profile, ("/agent",), "profiles"),
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
        near = [name for name in BY_NAME if is_slip(word, name)] or get_close_matches(word, BY_NAME, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "/help lists them."
        raise WrongUse(f"No such command: {word}", f"{hint} Nothing was sent.")
    await command.run(chat, arguments)
