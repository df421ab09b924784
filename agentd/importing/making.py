"""Our metadata of an imported session: what the other program says, what was counted, and where it came from. Pure."""

from collections.abc import Collection
from typing import Any

from agentd.core.metadata import Metadata
from agentd.errors import ImportFailed
from agentd.importing.counting import Counts
from agentd.importing.reading import Reading, name_of
from agentd.protocol import Session
from agentd.protocol.base import sound_json, sound_text
from agentd.session import one_line

TITLE = 50
"""Characters of a name that is made of the first prompt."""
LONGEST_FACT = 4096


def made(base: Metadata, reading: Reading, counts: Counts, path: str | None, models: Collection[str]) -> Metadata:
    """``base``: of a session that begins now. ``models``: those that a session can go on with."""
    if not counts.turns and reading.format != "amazonq":
        raise ImportFailed("There is no message in it that could be read: nothing to import.")
    fields = {key: _sound(value) for key, value in reading.fields.items() if value not in (None, "", ())}
    created = fields.pop("created", None) or counts.first_time or base.created
    active = fields.pop("last_active", None) or counts.last_time or created
    imported: dict[str, Any] = {"format": reading.format, "id": sound_text(reading.id)[:LONGEST_FACT]}
    imported |= {"version": reading.version, "path": path, "model": counts.model, **reading.facts}
    kept = {key: value for key, value in sound_json(imported).items() if value is not None}
    values: dict[str, Any] = {
        **fields,
        "created": created,
        "last_active": max(created, active),
        "first_message": counts.first_message or one_line(fields.get("first_message", "")) or None,
        "last_prompt": counts.last_prompt,
        "turn_count": counts.turns,
        "message_count": counts.messages,
        "tool_count": counts.tools,
        "file_count": len(reading.documents),
        "usage": counts.usage,
        "last_turn": counts.last_turn,
        "metadata": {**base.metadata, "imported": kept},
    }
    if counts.model in models:
        values["model"] = counts.model
    title = name_of(values["first_message"], TITLE)
    if "name" not in values and title is not None:
        values |= {"name": title, "name_source": "auto"}
    return Metadata.model_validate({**base.model_dump(exclude_none=True), **values})


def _sound(value: Any) -> Any:
    return sound_text(value)[:LONGEST_FACT] if isinstance(value, str) else value


def origin_of(metadata: Metadata | Session) -> tuple[str, str] | None:
    """Format and id of what a session was imported from; None when it was begun here."""
    imported = metadata.metadata.get("imported")
    if not isinstance(imported, dict):
        return None
    kind, origin = imported.get("format"), imported.get("id")
    return (kind, origin) if isinstance(kind, str) and isinstance(origin, str) else None
