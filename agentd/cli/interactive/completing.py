"""Completion of commands, session names and models, from what was last known of them: typing waits for no daemon."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from agentd.cli.interactive import doing, listing
from agentd.cli.interactive.commands import BY_NAME, COMMANDS, Completes
from agentd.cli.output import one_line
from agentd.cli.rows import short_id
from agentd.client.typed import Client
from agentd.errors import AgentdError

LIMIT = 100


@dataclass
class Known:
    """Text to insert and what it means, by what is completed."""

    options: dict[Completes, list[tuple[str, str]]] = field(
        default_factory=lambda: {
            "modes": [("plan", "changes nothing"), ("ask", "asks before it does"), ("edit", "edits freely")],
            "actions": [(action, "") for action in listing.ACTIONS],
            "formats": [(kind, "") for kind in doing.FORMATS],
        }
    )

    async def refresh(self, client: Client) -> None:
        """Ask again. What can't be had now is completed from before."""
        try:
            found = await client.sessions(limit=LIMIT)
            self.options["sessions"] = [
                (one_line(session.name) if session.name else short_id(session.id), one_line(session.last_prompt or ""))
                for session in found.sessions
            ]
            self.options["profiles"] = [(info.name, info.description) for info in (await client.profiles()).profiles]
            self.options["models"] = [(info.id, info.name) for info in (await client.models()).models]
        except AgentdError:
            return


class SlashCompleter(Completer):
    """Completes lines that begin with a slash, and leaves prompts alone."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text
        if not text.startswith("/") or "\n" in text:
            return
        word, space, argument = text.partition(" ")
        if not space:
            yield from _commands(word)
            return
        command = BY_NAME.get(word)
        if command is None or command.completes is None:
            return
        for value, meaning in self._known.options.get(command.completes, []):
            if value.casefold().startswith(argument.casefold()):
                yield Completion(value, start_position=-len(argument), display_meta=meaning)


def _commands(word: str) -> Iterable[Completion]:
    for command in COMMANDS:
        for name in (command.name, *command.aliases):
            if name.startswith(word) and (name == command.name or len(word) > 1):
                yield Completion(name, start_position=-len(word), display_meta=command.help)
