"""What the metadata of an exported session may say here: the file may be a stranger's, so nothing of it is trusted.

What an honest export of this machine says stays as it is. Pure.
"""

import json
import re
from collections.abc import Callable, Container
from typing import Any

from agentd import clock
from agentd.core.metadata import METADATA_VERSION, ForkPoint, Metadata, checked_name, without_secrets
from agentd.core.profile import NAME as PROFILE
from agentd.errors import InvalidName
from agentd.importing import values as v
from agentd.protocol import Usage
from agentd.protocol.base import sound_text

MOST = 1 << 31
"""No session has as many turns, messages or files."""
MOST_TOKENS = 1 << 53
LONGEST_TEXT = 4096
LONGEST_DESCRIPTION = 64_000
LONGEST_TAG = 100
MOST_TAGS = 100
LARGEST_OBJECT = 1 << 20
"""Bytes of JSON in one of the fields that hold objects: it is in every list."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@\[\]-]{0,199}")
_TEXTS = ("first_message", "last_prompt", "working_dir", "branch", "provider")
_COUNTS = ("message_count", "turn_count", "file_count", "tool_count")
_OBJECTS = ("config", "agent_overlay", "metadata")


def admitted(
    said: Metadata, here: Callable[[str], bool], models: Container[str], note: Callable[[str], None]
) -> Metadata:
    """``said``: what the file says, under the id that it was exported by.

    ``here``: whether there is a session of an id. ``models``: those that are known.
    ``note`` is told in words what was changed, and what else decides how the session goes on.
    """
    values: dict[str, Any] = {
        **_extras(said, note),
        "id": said.id,
        "version": said.version if 0 <= said.version <= MOST else METADATA_VERSION,
        "status": said.status,
        "created": (created := v.moment(said.created) or clock.now()),
        "last_active": v.moment(said.last_active) or created,
        "description": _text(said.description, LONGEST_DESCRIPTION),
        "tags": _tags(said.tags, note),
        "profile": said.profile if said.profile and PROFILE.fullmatch(said.profile) else None,
        "agent_name": said.agent_name if said.agent_name and PROFILE.fullmatch(said.agent_name) else None,
        "usage": _usage(said.usage),
        "last_turn": said.last_turn,
        "unseen_turn": said.unseen_turn if said.unseen_turn is not None and 0 <= said.unseen_turn <= MOST else None,
        "forked_from": _fork(said.forked_from),
        **{field: _text(getattr(said, field), LONGEST_TEXT) for field in _TEXTS},
        **{field: max(0, min(getattr(said, field), MOST)) for field in _COUNTS},
        **{field: _object(field, getattr(said, field), note) for field in _OBJECTS},
        **_name(said, note),
        **_family(said, here, note),
        "mode": _mode(said, note),
        "model": _model(said.model, models, note),
    }
    if values["agent_overlay"].get("system"):
        note("It brings a system prompt of its own: `agentd session show` has it.")
    return Metadata.model_validate({key: value for key, value in values.items() if value is not None})


def _text(text: str | None, longest: int) -> str | None:
    return sound_text(text)[:longest] if text is not None else None


def _mode(said: Metadata, note: Callable[[str], None]) -> str:
    if said.mode != "edit":
        return said.mode
    note(
        "It came in mode 'edit', in which files are changed without asking: it is in mode 'ask' now. "
        "`agentd session update --mode edit` changes that."
    )
    return "ask"


def _model(model: str | None, models: Container[str], note: Callable[[str], None]) -> str | None:
    if model is None or model in models:
        return model
    if not _WORD.fullmatch(model):
        note("The name of its model is none: left out.")
        return None
    note(f"Its model '{model}' is not known here. `agentd session update --model MODEL` sets another one.")
    return model


def _name(said: Metadata, note: Callable[[str], None]) -> dict[str, str | None]:
    if said.name is None:
        return {"name": None, "name_source": said.name_source}
    try:
        return {"name": checked_name(said.name), "name_source": said.name_source}
    except InvalidName:
        note("Its name is not one line of printable characters: left out.")
        return {"name": None, "name_source": None}


def _tags(tags: tuple[str, ...], note: Callable[[str], None]) -> tuple[str, ...]:
    stripped = dict.fromkeys(tag.strip() for tag in tags)
    kept = tuple(tag for tag in stripped if 1 <= len(tag) <= LONGEST_TAG and tag.isprintable())[:MOST_TAGS]
    if len(kept) < len(tags):
        note(
            f"Of its {len(tags):,} tags {len(tags) - len(kept):,} were left out: too long, not printable, or too many."
        )
    return kept


def _family(said: Metadata, here: Callable[[str], bool], note: Callable[[str], None]) -> dict[str, str | None]:
    """Parent and trace where they are sessions of here. A sub-session's id begins with its parent's: no circles."""
    parent, trace = said.parent_id, said.trace_id
    if parent is not None and not (said.id.startswith(f"{parent}-") and here(parent)):
        note("It was a sub-session of a session that is not here: it is one by itself now.")
        parent = trace = None
    return {"parent_id": parent, "trace_id": trace if trace is not None and here(trace) else None}


def _fork(said: ForkPoint | None) -> ForkPoint | None:
    if said is None or not _WORD.fullmatch(said.session_id):
        return None
    return ForkPoint(session_id=said.session_id, turn=max(0, min(said.turn, MOST)))


def _usage(said: Usage | None) -> Usage | None:
    if said is None:
        return None
    tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    counted: dict[str, Any] = {field: max(0, min(getattr(said, field), MOST_TOKENS)) for field in tokens}
    if said.cost is not None and 0 <= said.cost <= MOST:
        counted["cost"] = said.cost
    return Usage(**counted)


def _object(field: str, said: dict[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """As JSON that can be written everywhere; without secrets, where settings are kept."""
    value = v.arguments(said)
    if len(json.dumps(value)) > LARGEST_OBJECT:
        note(f"Its '{field}' is too large: left out.")
        return {}
    if field == "metadata":
        return value
    kept: dict[str, Any] = without_secrets(value)
    if kept != value:
        note(f"Its '{field}' held what is named like a key or a password: left out.")
    return kept


def _extras(said: Metadata, note: Callable[[str], None]) -> dict[str, Any]:
    """Fields of a newer version, if they are."""
    return _object("other fields", dict(said.model_extra or {}), note)
