"""What a chat command was asked for, gathered from its options, its words and standard input."""

import os
import select
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentd.cli import output
from agentd.cli.failing import WrongUse
from agentd.client.dial import Address
from agentd.core.limits import CONTEXT_LIMIT, PROMPT_LIMIT

PATIENCE = 3.0
"""Seconds until a command that waits for its standard input says so."""


@dataclass(frozen=True, slots=True)
class Wish:
    """``session`` is made at its first use, ``resume`` must exist, ``latest`` is the one used last."""

    place: Address
    prompt: str | None = None
    piped: str | None = None
    session: str | None = None
    resume: str | None = None
    latest: bool = False
    model: str | None = None
    mode: Any = None
    profile: str | None = None
    background: bool = False
    when_busy: Any = "queue"
    as_json: bool = False

    @property
    def interactive(self) -> bool:
        return self.prompt is None


def with_prompt(wish: Wish, words: Sequence[str]) -> Wish:
    """The wish with its prompt: the words, else standard input; beside words, piped text is context."""
    given = " ".join(words)
    if list(words) == ["-"]:
        return replace(wish, prompt=_checked(sys.stdin.read()))
    piped = piped_text()
    if words:
        return replace(wish, prompt=_checked(given), piped=_fitting(piped))
    if piped is not None:
        return replace(wish, prompt=_checked(piped))
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)):
        raise WrongUse("The interactive chat needs a terminal", 'Give a prompt: agentd chat "…", or pipe one in.')
    for asked, option in ((wish.as_json, "--json"), (wish.background, "--background")):
        if asked:
            raise WrongUse(f"{option} needs a prompt", f'agentd chat {option} "…"')
    return wish


def _checked(prompt: str) -> str:
    if not prompt.strip():
        raise WrongUse("The prompt is empty", 'Give one: agentd chat "What does this project do?"')
    if len(prompt) > PROMPT_LIMIT:
        raise WrongUse(f"The prompt has {len(prompt):,} characters; the limit is {PROMPT_LIMIT:,}. Nothing was sent",
                       'Put it in a file, and name some lines of it: agentd chat "explain @FILE:1-200"')  # fmt: skip
    return prompt


def _fitting(piped: str | None) -> str | None:
    """Piped text beside a prompt goes along whole, or nothing is sent: an answer about less would mislead."""
    if piped is not None and len(piped) > CONTEXT_LIMIT:
        raise WrongUse(
            f"The piped text has {len(piped):,} characters; the limit is {CONTEXT_LIMIT:,}. Nothing was sent",
            'Pipe less of it (tail, grep), or name some lines of a file: agentd chat "review @FILE:1-200"',
        )
    return piped or None


def piped_text() -> str | None:
    """What another program or a file gives on standard input; None: nobody does (a terminal, /dev/null, closed)."""
    try:
        kind = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or None where Python was started without one
        return None
    if not (stat.S_ISFIFO(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind)):
        return None
    if not select.select([sys.stdin], [], [], PATIENCE)[0]:
        output.note("Waiting for standard input … (give </dev/null if there is none)")
    return sys.stdin.buffer.read().decode("utf-8", "replace")
