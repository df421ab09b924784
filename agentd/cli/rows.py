"""Sessions as the command line shows them: what of the wire's session is printed, and the lists and lines made of it.

``Row`` holds a part of ``agentd.protocol.Session`` (a test holds it to that), without pydantic, whose import would be
half of the time that 'agentd session list' takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentd.cli.output import one_line, styled

SHORT = 8
AGES = ((60, "s", 1), (3600, "m", 60), (86400, "h", 3600), (86400 * 14, "d", 86400), (86400 * 70, "w", 86400 * 7))


@dataclass(frozen=True, slots=True)
class Row:
    """One session."""

    id: str
    status: str = "active"
    state: str = "idle"
    unseen: bool = False
    background: bool = False
    last_turn: str | None = None
    created: str = ""
    last_active: str = ""
    name: str | None = None
    name_source: str | None = None
    description: str | None = None
    first_message: str | None = None
    last_prompt: str | None = None
    message_count: int = 0
    turn_count: int = 0
    file_count: int = 0
    model: str | None = None
    provider: str | None = None
    profile: str | None = None
    mode: str = "ask"
    working_dir: str | None = None
    parent_id: str | None = None
    agent_name: str | None = None
    tags: tuple[str, ...] = ()
    forked_from: Mapping[str, Any] | None = None
    branch: str | None = None
    root: str | None = None

    @property
    def short(self) -> str:
        return short_id(self.id)

    @property
    def title(self) -> str:
        """What a person calls it."""
        return one_line(self.name) if self.name else self.short

    @property
    def said(self) -> str:
        """What it was last about, on one line."""
        return one_line(self.last_prompt or self.first_message or "")

    @property
    def broken_off(self) -> str | None:
        """How the newest turn ended, if it did not as it should, and no other one is at work."""
        return self.last_turn if self.state == "idle" and self.last_turn in ("interrupted", "failed") else None


_FIELDS = tuple(Row.__dataclass_fields__)
_CAMEL = {name: "".join((first, *(part.title() for part in rest)))
          for name in _FIELDS for first, *rest in [name.split("_")]}  # fmt: skip


def row_of(session: Mapping[str, Any]) -> Row:
    """From the wire's JSON object; what is absent has its default."""
    return Row(**{name: session[key] for name, key in _CAMEL.items() if key in session})


def rows_of(sessions: Iterable[Mapping[str, Any]]) -> list[Row]:
    return [row_of(session) for session in sessions]


def short_id(session_id: str) -> str:
    """8 characters: for a sub-session its last ones, which the daemon takes as well."""
    return session_id[-SHORT:] if len(session_id) > 36 else session_id[:SHORT]


def moment(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None


def local(time: str) -> str:
    """``2025-11-22 20:30:15``, in the reader's time zone."""
    at = moment(time)
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else time


def age(time: str, now: datetime | None = None) -> str:
    """``3m ago``; after ten weeks the date."""
    at = moment(time)
    if at is None:
        return time
    seconds = max(0, int(((now or datetime.now(UTC)) - at).total_seconds()))
    if seconds < 5:
        return "just now"
    for limit, unit, size in AGES:
        if seconds < limit:
            return f"{seconds // size}{unit} ago"
    return at.astimezone().strftime("%Y-%m-%d")


def counted(number: int, noun: str) -> str:
    """``1 message``, ``3 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(count: int) -> str:
    """Bytes for people: ``512 B``, ``3.4 MB``."""
    if count < 1000:
        return f"{count} B"
    amount, unit = next((count / 1000**power, unit) for power, unit in ((3, "GB"), (2, "MB"), (1, "KB"))
                        if count >= 1000**power)  # fmt: skip
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def marks(row: Row) -> str:
    """What a person should know before the age: at work, broken off, not looked at yet, put away. Empty: nothing."""
    if row.state != "idle":
        return row.state
    return row.broken_off or ("unseen" if row.unseen else "archived" if row.status == "archived" else "")


def when(row: Row) -> str:
    """The age, and what is more urgent to know: ``2h ago``, ``running``, ``interrupted 2h``."""
    told, ago = marks(row), age(row.last_active)
    if row.state != "idle":
        return told
    return f"{told} {ago.removesuffix(' ago').removeprefix('just ')}" if told else ago


def state_style(row: Row) -> tuple[str, ...]:
    if row.state in ("running", "queued"):
        return ("green",)
    if row.broken_off:
        return ("bold", "red") if row.unseen else ("red",)
    if row.state == "waiting" or row.unseen:
        return ("yellow",)
    return ("dim",)


def lineage(row: Row) -> str:
    """``8a3f2b1c at turn 5``; empty: it is no fork."""
    source = row.forked_from
    return f"{short_id(str(source.get('sessionId')))} at turn {source.get('turn')}" if source else ""


def heading(row: Row) -> str:
    """``8a3f2b1c  My Feature``, or the id alone."""
    name = f"  {styled(one_line(row.name), 'bold')}" if row.name else ""
    return styled(row.short, "cyan") + name
