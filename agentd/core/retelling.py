"""What makes a conversation say what given messages say: the records that are to be written, and no more. Pure.

Turns that the messages still tell stay as they are, what is told no longer is cleared (it stays on record), and what
is new becomes turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentd.core.metadata import Metadata
from agentd.core.records import Draft, item_draft, mark_draft, system_draft, turn_draft
from agentd.core.role_messages import Message, system_texts, to_turns, turn_messages
from agentd.protocol import Turn


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation as it stands: what counts of it, and where its numbers go on."""

    turns: tuple[Turn, ...]
    system: tuple[str, ...]
    summary: str | None
    newest: int
    next_number: int


@dataclass(frozen=True, slots=True)
class Retelling:
    """Records to be written as one batch; none when nothing differs. ``turns`` are the new ones among them."""

    drafts: tuple[Draft, ...]
    turns: tuple[Turn, ...]


def retell(known: Known, messages: Sequence[Message], time: str) -> Retelling:
    """The difference between a conversation and checked messages. ``time``: now, RFC 3339 UTC."""
    system = system_texts(messages)
    spoken = [message for message in messages if message["role"] not in ("system", "developer")]
    kept, told = _still_told(known.turns, spoken)
    dropped = len(kept) < len(known.turns)
    same_system = system == (*known.system, *([known.summary] if known.summary else []))
    # A clear that reaches as far as the summary takes the summary with it.
    keeps_system = same_system and not (dropped and known.summary)
    drafts: list[Draft] = []
    if dropped or not keeps_system:
        through = kept[0].number - 1 if kept else known.newest
        drafts.append(mark_draft("clear", through, keep_system=keeps_system))
    if not keeps_system:
        drafts += [system_draft(text) for text in system]
    turns = to_turns(spoken[told:], known.next_number, time, len(system) + told)
    for turn in turns:
        begun = turn.model_copy(update={"status": "running", "ended": None, "usage": None, "messages": None})
        drafts += [turn_draft(begun), *(item_draft(turn.number, item) for item in turn.items), turn_draft(turn)]
    return Retelling(tuple(drafts), turns)


def counted(metadata: Metadata, retelling: Retelling, messages: int, time: str) -> dict[str, Any]:
    """The fields of the metadata that follow from what was written, ``messages`` being all that it says now."""
    prompts = [item.text for turn in retelling.turns for item in turn.items if item.kind == "prompt" and item.text]
    tools = sum(item.kind == "tool" for turn in retelling.turns for item in turn.items)
    changes: dict[str, Any] = {
        "message_count": messages,
        "last_active": time,
        "turn_count": metadata.turn_count + len(retelling.turns),
        "tool_count": metadata.tool_count + tools,
    }
    if prompts:
        changes |= {"first_message": metadata.first_message or prompts[0], "last_prompt": prompts[-1]}
    return changes


def _still_told(turns: tuple[Turn, ...], spoken: list[Message]) -> tuple[tuple[Turn, ...], int]:
    """The newest turns whose messages are the first of these, as many as can be; and how many messages they are."""
    each = [turn_messages(turn) for turn in turns]
    detailed = [turn_messages(turn, details=True) for turn in turns]
    for first in range(len(turns)):
        place = 0
        for number in range(first, len(turns)):
            said = spoken[place : place + len(each[number])]
            if said not in (each[number], detailed[number]):
                break
            place += len(said)
        else:
            return turns[first:], place
    return (), 0
