"""Telling a command from a prompt, and a typo from both. Pure.

``agentd "fix the test"`` and ``agentd fix the test`` are prompts; one unknown word is a typo, because a prompt of one
word is rarer than a mistyped command, and a typo must not cost a model call.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from agentd.cli.failing import WrongUse

OWN_OPTIONS = frozenset({"--help", "-h", "--version", "--install-completion", "--show-completion"})
SUBCOMMANDS = frozenset({"list", "show", "history", "resume", "fork", "rename", "name", "archive", "restore", "clear",
                         "new", "update", "retry", "install", "set", "unset", "status", "search", "tag", "describe",
                         "delete", "cleanup", "compact", "stats", "events", "documents", "seen", "detach", "interrupt",
                         "background", "export", "import"})  # fmt: skip
VALUED = frozenset({"--session", "--resume", "--model", "--mode", "--profile", "--agent", "--working-dir", "--root",
                    "--when-busy"})  # fmt: skip
"""Options of ``chat`` that take a value: the word after one of them is no prompt."""


ORDINARY = frozenset({"modal", "modals"})
"""Words of their own that are as near to a command as a slip."""

LONGEST_WORD = 10
"""Letters of a command's words, mistyped or not: what is longer after 'key' may be one."""

KEY_REFUSED = "That is not how a key is set: it is never an argument, because arguments are kept and can be read"


def may_hold_key(given: Sequence[str]) -> bool:
    """Whether what was typed must not be repeated."""
    return (given[:1] == ["key"] and any(len(word) > LONGEST_WORD for word in given[1:])) or any(
        word.startswith("sk-") for word in given
    )


def as_command(given: Sequence[str], known: Sequence[str]) -> list[str]:
    """The arguments as a command: those of ``chat`` where no command is named. Raises WrongUse for a typo."""
    if not given:
        return ["chat"]
    first = given[0]
    if first == "help" and (len(given) == 1 or given[1] in known):
        return [*given[1:], "--help"]
    if first in known or first in OWN_OPTIONS:
        return list(given)
    _reject_lone_typo(_plain_words(given), known)
    return ["chat", *given]


def _plain_words(given: Sequence[str]) -> list[str]:
    """The words that are neither options nor their values; after ``--`` all are."""
    plain: list[str] = []
    rest = iter(given)
    for word in rest:
        if word == "--":
            plain += rest
        elif word in VALUED:
            next(rest, None)
        elif not word.startswith("-") or word == "-":
            plain.append(word)
    return plain


def _reject_lone_typo(plain: list[str], known: Sequence[str]) -> None:
    if not plain or plain == ["-"]:
        return
    first = plain[0]
    if len(plain) == 1 and may_hold_key(plain):
        raise WrongUse(KEY_REFUSED, "Run 'agentd key set' and paste it.")
    near = get_close_matches(first, known, n=1, cutoff=0.6)
    if len(plain) == 1 and first and not any(letter.isspace() for letter in first):
        as_prompt = f'To send it as a prompt: agentd chat "{first}"'
        raise WrongUse(f"No such command: '{first}'", _suggestion(near, as_prompt))
    rest = " ".join(plain[1:])
    if near and len(plain) > 1 and plain[1] in SUBCOMMANDS:
        raise WrongUse(f"No such command: '{first}'", f"Did you mean 'agentd {near[0]} {rest}'?")
    slipped = next((command for command in known if is_slip(first, command)), None) if len(plain) > 1 else None
    if slipped:
        as_prompt = f'To send it as a prompt, quote it: agentd "{first} {rest}"'
        raise WrongUse(f"No such command: '{first}'", f"Did you mean 'agentd {slipped} {rest}'? {as_prompt}")


def is_slip(word: str, command: str) -> bool:
    """Whether the word is this command with one slip of a finger: two letters swapped, one doubled, and in a long one
    a letter wrong, missing or too many.

    Narrow, because what is no slip is a prompt: 'what does this do' is one letter from 'chat', 'server logs are
    empty' one from 'serve'.
    """
    if len(command) < 4 or word in ORDINARY or word[:1] != command[:1] or word == command:
        return False
    swapped = any(word == command[:at] + command[at + 1] + command[at] + command[at + 2 :]
                  for at in range(len(command) - 1))  # fmt: skip
    doubled = any(word == command[:at] + command[at] + command[at:] for at in range(len(command)))
    inflected = word.startswith(command) or command.startswith(word)  # 'served', 'continued'
    return swapped or doubled or (len(command) > 4 and not inflected and _one_off(word, command))


def _one_off(word: str, command: str) -> bool:
    """One letter is wrong, missing or too many."""
    shorter, longer = sorted((word, command), key=len)
    if len(shorter) == len(longer):
        return sum(one != other for one, other in zip(word, command, strict=True)) == 1
    return any(shorter == longer[:at] + longer[at + 1 :] for at in range(len(longer)))


def _suggestion(near: Sequence[str], otherwise: str) -> str:
    return f"Did you mean 'agentd {near[0]}'? {otherwise}" if near else f"See 'agentd --help'. {otherwise}"


def usage_hint(error: Exception, given: Sequence[str]) -> str:
    """Where the help is; and, for a command with words too many, that it may have been meant as a prompt."""
    if may_hold_key(given):
        return "Run 'agentd key set' and paste it; see 'agentd key --help'."
    context = getattr(error, "ctx", None)  # Typer's usage errors know their command, its other errors do not
    path = str(context.command_path) if context is not None else "agentd"
    hint = f"See '{path} --help'."
    plain = _plain_words(given)
    if len(plain) > 2 and "extra argument" in str(error):
        hint += f' To send it as a prompt: agentd chat "{" ".join(plain)}"'
    return hint
