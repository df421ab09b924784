"""What every written form of a session has in common: its parts, and the words in which it speaks of them."""

import re
from dataclasses import dataclass
from typing import Protocol

from agentd.protocol import Item, Session, Turn

_NOISE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TELLING = ("path", "file_path", "filePath", "command", "cmd", "pattern", "query", "url", "uri", "name", "agent")
LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Document:
    """A session document; ``text`` is None when it is too large or no text."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A turn in the table of contents."""

    number: int
    title: str


@dataclass(frozen=True, slots=True)
class About:
    """What stands before the turns. ``exported`` is when, RFC 3339 UTC; ``headings`` are oldest first."""

    session: Session
    exported: str
    version: str
    documents: tuple[Document, ...] = ()
    headings: tuple[Heading, ...] = ()


class Form(Protocol):
    """One way to write a session down, in pieces whose order is opening, turns, closing."""

    def opening(self, about: About) -> str: ...

    def turn(self, turn: Turn, *, first: bool) -> str:
        """``first``: no turn stands before it."""

    def closing(self, about: About) -> str: ...


def cleaned(text: str) -> str:
    """Without what only a terminal understands: colours, and control characters but tab and line feed."""
    return _NOISE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, most: int = LONGEST_TITLE) -> str:
    line = " ".join(cleaned(text[: most * 20]).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def title_of(session: Session) -> str:
    return one_line(session.name or session.first_message or "") or f"Session {session.id[:8]}"


def stands_for(through: int) -> str:
    """What a turn that compacts has in place of a prompt."""
    return f"{'Turn 1' if through == 1 else f'Turns 1 to {through}'}, summarised"


def heading_of(turn: Turn) -> Heading:
    prompt = next((item.text for item in turn.items if item.kind == "prompt" and item.text), None)
    shown = prompt or (stands_for(turn.compacted) if turn.compacted else "")
    return Heading(turn.number, one_line(shown) or f"Turn {turn.number}")


def facts_of(about: About) -> list[tuple[str, str]]:
    """What there is to say of a session, as label and value."""
    session = about.session
    facts = [
        ("Session", session.id),
        ("Created", moment(session.created)),
        ("Last active", moment(session.last_active)),
    ]
    if session.model:
        facts.append(("Model", session.model))
    if session.profile:
        facts.append(("Profile", session.profile))
    if session.forked_from:
        facts.append(("Forked from", f"{session.forked_from.session_id[:8]} at turn {session.forked_from.turn}"))
    if session.parent_id:
        agent = f", agent {session.agent_name}" if session.agent_name else ""
        facts.append(("Sub-session of", f"{session.parent_id[:8]}{agent}"))
    if session.description:
        facts.append(("Description", one_line(session.description, 500)))
    if session.tags:
        facts.append(("Tags", ", ".join(session.tags)))
    if session.working_dir:
        branch = f" ({session.branch})" if session.branch else ""
        facts.append(("Directory", session.working_dir + branch))
    facts.append(("Length", f"{counted(session.turn_count, 'turn')}, {counted(session.message_count, 'message')}"))
    if session.usage:
        used = session.usage
        cost = f", ${used.cost:.4f}" if used.cost is not None else ""
        facts.append(("Tokens", f"{used.input_tokens:,} in, {used.output_tokens:,} out{cost}"))
    facts.append(("Exported", f"{moment(about.exported)} by agentd {about.version}"))
    return [(label, one_line(value, 600)) for label, value in facts]


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(time: str) -> str:
    """``2026-01-02 03:04 UTC``."""
    return f"{time[:10]} {time[11:16]} UTC" if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", time) else time


def turn_facts(turn: Turn) -> str:
    """A line under a turn's prompt: when, with which model, how many tokens."""
    said = [moment(turn.started)]
    if turn.model:
        said.append(turn.model)
    if turn.usage:
        said.append(f"{turn.usage.input_tokens:,} tokens in, {turn.usage.output_tokens:,} out")
    if turn.retry_of:
        said.append(f"turn {turn.retry_of} again")
    return one_line(" · ".join(said), 300)


def ending(turn: Turn) -> str | None:
    """How a turn ended, if that needs saying."""
    if turn.status == "completed":
        return None
    why = f": {one_line(turn.error.message, 500)}" if turn.error else ""
    return f"This turn was {turn.status}{why}" if turn.status in ("interrupted",) else f"This turn {_verb(turn)}{why}"


def _verb(turn: Turn) -> str:
    return {"failed": "failed", "queued": "waits", "running": "is running", "waiting": "waits"}.get(
        turn.status, "ended"
    )


def telling(item: Item) -> str:
    """Of a tool call, the argument that says what it is about."""
    given = item.input or {}
    for name in _TELLING:
        value = given.get(name)
        if isinstance(value, str) and value.strip():
            return one_line(value)
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return one_line(" ".join(value))
    return ""
