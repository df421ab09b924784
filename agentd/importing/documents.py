"""Agenix, Agentry and Amplifier: sessions that are lists of messages, each with facts of its own around them."""

from agentd.core.metadata import without_secrets
from agentd.errors import ImportFailed
from agentd.importing import values as v
from agentd.importing.messages import ROLES, Messages
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading, name_of
from agentd.importing.source import Listed, Records
from agentd.importing.values import Json

_UNNAMED = ("default", "temp")


def is_agenix(document: object) -> bool:
    known = v.mapping(document)
    return isinstance(known.get("messages"), list) and "id" in known and not {"session_id", "mapping"} & known.keys()


def is_agentry(document: object) -> bool:
    """Also the bare list of messages that its guide exports."""
    if isinstance(document, list):
        return bool(document) and all(v.one_of(v.mapping(one).get("role"), ROLES) for one in document[:20])
    known = v.mapping(document)
    return isinstance(known.get("messages"), list) and "session_id" in known


def read_agenix(document: Json, name: str) -> Reading:
    problems = Problems()
    model = v.string(document.get("model"))
    created, updated = v.moment(document.get("created_at")), v.moment(document.get("updated_at"))
    messages = Messages(Listed(document["messages"]), problems, model=model, started=created)
    reading = Reading("agenix", v.string(document.get("id")) or name, messages.drafts, problems)
    about = v.mapping(document.get("metadata"))
    tags = tuple(tag for one in v.listed(about.get("tags")) if (tag := name_of(v.string(one), 100)))
    reading.fields = {
        "created": created, "last_active": updated, "working_dir": v.string(document.get("working_dir")), "tags": tags,
    }  # fmt: skip
    if given := name_of(v.string(about.get("name"))):
        reading.fields |= {"name": given, "name_source": "user"}
    return _with_messages(reading, document["messages"])


def read_agenix_lines(records: Records, name: str) -> Reading:
    """A first line that says what it is, then messages, each wrapped."""
    problems = Problems()
    header: Json = {}
    said = False
    for _, record in records.all():
        if record.get("type") == "session_header":
            header = header or record
        elif isinstance(record.get("message"), dict):
            said = True
            break
    created = v.moment(header.get("created_at"))
    messages = Messages(
        records, problems, started=created, envelope="message", skipped=frozenset({"session_header"})
    )  # fmt: skip
    reading = Reading("agenix", v.string(header.get("session_id")) or name, messages.drafts, problems)
    reading.version = v.string(header.get("version"))
    reading.fields = {"created": created}
    if not said:
        raise ImportFailed("This Agenix session has no message: nothing to import.")
    return reading


def read_agentry(document: object, name: str) -> Reading:
    problems = Problems()
    known = v.mapping(document)
    listed = known["messages"] if known else v.listed(document)
    created = v.moment(known.get("created_at"))
    messages = Messages(Listed(listed), problems, started=created, model=v.string(known.get("model")))
    session = v.string(known.get("session_id")) or name.removesuffix("_chat")
    reading = Reading("agentry", session, messages.drafts, problems)
    reading.fields = {"created": created, "last_active": v.moment(known.get("last_activity"))}
    if "session_id" in known and session.lower() not in _UNNAMED and (given := name_of(session)):
        reading.fields |= {"name": given, "name_source": "user"}
    return _with_messages(reading, listed)


def is_amplifier(metadata: object) -> bool:
    """A session's ``metadata.json``."""
    known = v.mapping(metadata)
    return "session_id" in known and not isinstance(known.get("messages"), list) and "history" not in known


def read_amplifier(metadata: Json, records: Records | None, name: str, problems: Problems) -> Reading:
    """``metadata`` is empty and ``records`` None when they are missing; both can't be."""
    model = v.string(metadata.get("model"))
    model = model if model not in ("unknown", "default") else None
    provider, _, bare = (model or "").rpartition("/")
    created = v.moment(metadata.get("created"))
    skipped = frozenset({"session_header"})
    listed = records if records is not None else Listed([])
    messages = Messages(listed, problems, model=bare or model, started=created, skipped=skipped)
    reading = Reading("amplifier", v.string(metadata.get("session_id")) or name, messages.drafts, problems)
    bundle = (v.first_string(metadata, "bundle", "profile") or "").removeprefix("bundle:")
    reading.fields = {
        "created": created,
        "last_active": v.moment(metadata.get("last_updated")) or v.moment(metadata.get("updated")),
        "working_dir": v.string(metadata.get("working_dir")),
        "description": v.string(metadata.get("description")),
        "agent_name": v.string(metadata.get("agent_name")),
    }
    reading.facts |= {
        fact: said[:200] for fact, said in (("bundle", bundle), ("provider", provider)) if said not in ("", "unknown")
    }
    for fact in ("parent_id", "trace_id"):
        if value := v.string(metadata.get(fact)):
            reading.facts[fact] = value[:200]
    if overlay := v.mapping(metadata.get("agent_overlay")):
        reading.facts["agent_overlay"] = without_secrets(v.arguments(overlay))
    if given := name_of(v.string(metadata.get("name"))):
        source = "auto" if metadata.get("name_generated_at") else "user"
        reading.fields |= {"name": given, "name_source": source}
    return reading


def _with_messages(reading: Reading, messages: list[object]) -> Reading:
    if not any(v.one_of(v.mapping(one).get("role"), ROLES) for one in messages):
        raise ImportFailed("This session has no message: nothing to import.")
    return reading
