"""Amazon Q's sessions: ``metadata.json`` with documents beside it, and conversations kept with ``/save``."""

from collections.abc import Iterator, Mapping

from agentd.core.records import Draft
from agentd.errors import ImportFailed
from agentd.importing import values as v
from agentd.importing.building import TurnBuilder
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading, name_of
from agentd.importing.values import Json
from agentd.protocol import ToolStatus


def is_workspace(document: object) -> bool:
    """A session's ``metadata.json``."""
    known = v.mapping(document)
    return {"id", "status", "created"} <= known.keys() and ("last_active" in known or "message_count" in known)


def is_saved(document: object) -> bool:
    known = v.mapping(document)
    return "conversation_id" in known and isinstance(known.get("history"), list)


def read_workspace(metadata: Json, documents: Mapping[str, bytes], problems: Problems) -> Reading:
    """A session of documents. What was said in it, Amazon Q does not keep there."""
    session = v.string(metadata.get("id"))
    if session is None:
        raise ImportFailed("This looks like an Amazon Q session, but its metadata.json has no id.")
    reading = Reading("amazonq", session, lambda target: iter(()), problems)
    version = metadata.get("version")
    reading.version = str(version) if isinstance(version, int | str) else None
    created, active = v.moment(metadata.get("created")), v.moment(metadata.get("last_active"))
    reading.fields = {
        "created": created,
        "last_active": active or created,
        "status": "archived" if metadata.get("status") == "archived" else "active",
        "first_message": v.string(metadata.get("first_message")),
    }
    if name := name_of(v.string(metadata.get("name"))):
        reading.fields |= {"name": name, "name_source": "user"}
    reading.documents = documents
    said = v.count(metadata.get("message_count"))
    if said:
        reading.facts["message_count"] = said
        problems.note(f"Its {said} messages are not in the directory; a conversation kept with /save has them.")
    return reading


def read_saved(document: Json, name: str) -> Reading:
    problems = Problems()
    session = v.string(document.get("conversation_id")) or name
    history = v.listed(document.get("history"))
    transcript = [text for text in v.listed(document.get("transcript")) if isinstance(text, str)]
    summary = _summary(document.get("latest_summary"))
    if not history and not transcript and summary is None:
        raise ImportFailed("This conversation of Amazon Q is empty: it was cleared before it was saved.")
    conversation = _Conversation(history, transcript, summary, _model(document), problems)
    reading = Reading("amazonq", session, conversation.drafts, problems)
    reading.fields = {"working_dir": next((found for entry in history if (found := _directory(entry))), None)}
    return reading


class _Conversation:
    def __init__(
        self, history: list[object], transcript: list[str], summary: str | None, model: str | None, problems: Problems
    ) -> None:
        self._history = history
        self._transcript = transcript
        self._summary = summary
        self._model = model
        self._problems = problems

    def drafts(self, target: Target) -> Iterator[Draft]:
        builder = TurnBuilder(target)
        builder.model(self._model)
        told = self._from_history if self._history else self._from_transcript
        yield from told(builder)
        builder.close()
        yield from builder.records()

    def _from_history(self, builder: TurnBuilder) -> Iterator[Draft]:
        if self._summary:
            builder.system(f"Summary of what was said before:\n{self._summary}")
        for number, entry in enumerate(self._history, 1):
            asked, answered, about = _exchange(entry)
            if not asked and not answered:
                self._problems.damaged(number, "is no exchange", "Entry")
                continue
            builder.model(v.string(about.get("model_id")))
            started = v.moment(asked.get("timestamp")) or v.moment(about.get("request_start_timestamp_ms"))
            builder.at(started)
            self._asked(builder, asked)
            builder.at(v.moment(about.get("stream_end_timestamp_ms")))
            self._answered(builder, answered)
            yield from builder.records()

    def _from_transcript(self, builder: TurnBuilder) -> Iterator[Draft]:
        """What the screen showed: prompts begin with ``> ``. All that a compacted conversation still has."""
        self._problems.note("Its history was compacted away: what was shown on the screen is imported, without times.")
        for text in self._transcript:
            if text.startswith("> "):
                builder.prompt(text[2:])
            else:
                builder.text(text)
            yield from builder.records()
        if self._summary:
            builder.compact(self._summary)
            yield from builder.records()

    def _asked(self, builder: TurnBuilder, asked: Json) -> None:
        content = asked.get("content")
        prompt: str | None = None
        results: list[Json] = []
        if isinstance(content, str):
            prompt = content
        for kind, value in v.mapping(content).items():
            body = v.mapping(value)
            prompt = v.string(body.get("prompt")) or prompt
            results += v.mappings(body.get("tool_use_results"))
            if kind == "CancelledToolUses":
                builder.interrupted()
        for result in results:
            output = builder.with_images(result.get("content"))
            call_id = v.string(result.get("tool_use_id"))
            status: ToolStatus = "failed" if result.get("status") == "Error" else "completed"
            if not builder.result(call_id, output, status):
                self._problems.note("A tool's result without its call is kept by itself.")
                builder.answered("unknown", output, status)
        if prompt is not None:
            builder.prompt(prompt)
            builder.context("Context", v.string(asked.get("additional_context")) or "")

    def _answered(self, builder: TurnBuilder, answered: Json) -> None:
        for value in answered.values():
            body = v.mapping(value)
            builder.text(v.block_text(body.get("content")))
            for call in v.mappings(body.get("tool_uses")):
                given = next((call[key] for key in ("args", "input", "orig_args") if call.get(key) is not None), None)
                builder.call(v.string(call.get("id")), v.first_string(call, "name", "orig_name"), v.arguments(given))


def _exchange(entry: object) -> tuple[Json, Json, Json]:
    """Question, answer, and what is known of the call. Older files keep pairs."""
    if isinstance(entry, list):
        padded = [*entry, None, None][:2]
        return v.mapping(padded[0]), v.mapping(padded[1]), {}
    known = v.mapping(entry)
    return v.mapping(known.get("user")), v.mapping(known.get("assistant")), v.mapping(known.get("request_metadata"))


def _directory(entry: object) -> str | None:
    state = v.mapping(v.mapping(_exchange(entry)[0].get("env_context")).get("env_state"))
    return v.string(state.get("current_working_directory"))


def _model(document: Json) -> str | None:
    return v.string(v.mapping(document.get("model_info")).get("model_id")) or v.string(document.get("model"))


def _summary(found: object) -> str | None:
    """A text, or a pair of it and what made it."""
    return v.string(found[0]) if isinstance(found, list) and found else v.string(found)
