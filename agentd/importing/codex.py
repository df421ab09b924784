"""Codex's rollouts (``~/.codex/sessions/**/rollout-*.jsonl``), old and new.

A rollout says the same twice, as items of the model's API and as events for its screen. Here the items lead, and
events only add what no item says: each text is taken once, whichever comes first.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentd.core.records import Draft
from agentd.errors import ImportFailed
from agentd.importing import codex_items as items
from agentd.importing import values as v
from agentd.importing.building import TurnBuilder
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading, name_of
from agentd.importing.source import Place, Records
from agentd.importing.values import Json
from agentd.protocol import ToolStatus

ENVELOPES = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state"})
_STARTED = ("task_started", "turn_started")
_ENDED = ("task_complete", "turn_complete")
_SEALED = "the summary of a compaction is sealed for its own program: all turns before it stay in the conversation."


@dataclass
class _Facts:
    meta: Json = field(default_factory=dict)
    model: str | None = None
    name: str | None = None
    first: str | None = None
    said: bool = False


class Rollout:
    """One rollout, gone through twice: for results and facts, then for the turns."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.problems = Problems()
        self.facts = _Facts()
        self._outputs: dict[str, list[Place]] = {}
        self._calls: set[str] = set()
        self._at_work = False
        self._both: dict[tuple[str, str], Counter[str]] = {}
        for place, record in records.all(self.problems):
            if v.one_of(record.get("type"), ENVELOPES) and not isinstance(record.get("payload"), dict):
                self.problems.damaged(place.line, "says nothing that can be read")
            self._learn(place, *_unwrapped(record))
            self.facts.first = self.facts.first or v.moment(record.get("timestamp"))

    def _learn(self, place: Place, kind: str, payload: Json) -> None:
        if kind == "session_meta" and not self.facts.meta:
            self.facts.meta = payload
        elif kind == "turn_context":
            self.facts.model = self.facts.model or v.string(payload.get("model"))
        elif kind == "event_msg" and payload.get("type") == "thread_name_updated":
            self.facts.name = v.first_string(payload, "thread_name", "name") or self.facts.name
        elif kind == "response_item" and v.one_of(payload.get("type"), items.OUTPUTS):
            self._outputs.setdefault(v.string(payload.get("call_id")) or "", []).append(place)
        elif kind == "response_item" and v.one_of(payload.get("type"), items.CALLS):
            self._calls.add(items.call_of(payload)[0] or "")
        if kind in ("response_item", "event_msg") and payload.get("type") not in ("token_count", *_STARTED):
            self.facts.said = True

    def drafts(self, target: Target) -> Iterator[Draft]:
        builder = TurnBuilder(target, self.facts.first)
        builder.model(self.facts.model or v.string(self.facts.meta.get("model")))
        for place, record in self._records.all():
            kind, payload = _unwrapped(record)
            builder.at(v.moment(record.get("timestamp")))
            if kind == "turn_context":
                builder.model(v.string(payload.get("model")))
            elif kind == "response_item":
                self._item(builder, place, payload)
            elif kind == "event_msg":
                self._event(builder, place, payload)
            elif kind == "compacted":
                self._compacted(builder, place, payload)
            yield from builder.records()
        builder.close()
        yield from builder.records()

    def _once(self, what: str, stream: str, text: str) -> bool:
        """Whether this text is new: the other stream has not said it as often."""
        mine = self._both.setdefault((what, stream), Counter())
        other = self._both.setdefault((what, "event" if stream == "item" else "item"), Counter())
        # Said in full elsewhere: the text itself need not be held.
        key = f"{len(text)}:{hash(text)}"
        mine[key] += 1
        return mine[key] > other[key]

    def _item(self, builder: TurnBuilder, place: Place, payload: Json) -> None:
        kind = v.string(payload.get("type"))
        if kind == "message":
            self._message(builder, place, payload)
        elif kind == "reasoning":
            self._thought(builder, "item", items.reasoning_of(payload))
        elif kind in items.CALLS:
            self._call(builder, payload)
        elif kind in items.OUTPUTS and (v.string(payload.get("call_id")) or "") not in self._calls:
            self.problems.note(f"Line {place.line:,}: a tool's output without its call; it is kept by itself.")
            content, status = items.output_of(payload)
            builder.answered("unknown", builder.with_images(content), status)
        elif kind == "agent_message":
            who = v.string(payload.get("author")) or "another agent"
            builder.context(f"Message from {who}", v.block_text(_readable(payload.get("content"))))

    def _message(self, builder: TurnBuilder, place: Place, payload: Json) -> None:
        role, content = payload.get("role"), payload.get("content")
        if role == "assistant":
            self._reply(builder, "item", v.block_text(content))
        elif role in ("developer", "system"):
            self._system(builder, place, v.block_text(content))
        elif role == "user":
            parts = content if isinstance(content, list) else [content]
            typed: list[object] = []
            for part in parts:
                text = None if v.is_image(part) else v.block_text(part)
                if text is not None and text.strip().startswith("<turn_aborted>"):
                    continue
                if text is not None and items.is_injected(text):
                    self._system(builder, place, text)
                else:
                    typed.append(part)
            words = items.prompt_text("\n".join(v.block_text(part) for part in typed if not v.is_image(part)))
            if typed and self._once("prompt", "item", words):
                if not self._steers(builder):
                    builder.end()
                builder.without_images([part for part in typed if v.is_image(part)])
                builder.prompt(words, steer=self._steers(builder))

    def _system(self, builder: TurnBuilder, place: Place, text: str) -> None:
        if not builder.system(text):
            self.problems.note(f"Line {place.line:,}: instructions were left out: there are too many of them.")

    def _reply(self, builder: TurnBuilder, stream: str, text: str) -> None:
        if text.strip() and self._once("reply", stream, text.strip()):
            builder.text(text)

    def _thought(self, builder: TurnBuilder, stream: str, text: str) -> None:
        if text.strip() and self._once("thought", stream, text.strip()):
            builder.thinking(text)

    def _call(self, builder: TurnBuilder, payload: Json) -> None:
        call_id, name, arguments = items.call_of(payload)
        builder.call(call_id, name, arguments)
        waiting = self._outputs.get(call_id or "")
        if call_id is not None and waiting:
            place = waiting.pop(0)
            record = self._records.at(place)
            content, status = items.output_of(_unwrapped(record)[1])
            builder.result(call_id, builder.with_images(content), status, v.moment(record.get("timestamp")))
        elif payload.get("status") in ("completed", "failed"):
            status_said: ToolStatus = "failed" if payload["status"] == "failed" else "completed"
            builder.result(call_id, "", status_said)

    def _event(self, builder: TurnBuilder, place: Place, payload: Json) -> None:
        kind = v.string(payload.get("type"))
        if kind == "item_completed":
            self._completed(builder, v.mapping(payload.get("item")))
        elif kind == "user_message":
            words = items.prompt_text(v.string(payload.get("message")) or "")
            if words and not items.is_injected(words) and self._once("prompt", "event", words):
                builder.prompt(words, steer=self._steers(builder))
        elif kind == "agent_message":
            self._reply(builder, "event", v.string(payload.get("message")) or "")
        elif kind in ("agent_reasoning", "agent_reasoning_raw_content"):
            self._thought(builder, "event", v.string(payload.get("text")) or "")
        elif kind == "token_count":
            if (usage := items.usage_of(payload)) is not None:
                builder.used(str(place.line), usage)
        elif kind in _STARTED:
            if builder.running:
                builder.end()
            self._at_work = True
        elif kind == "turn_aborted":
            self._at_work = False
            builder.interrupted()
            builder.stopped(v.string(payload.get("reason")))
        elif kind == "error":
            builder.failed(v.string(payload.get("message")) or "The model's call failed.")
        elif kind in _ENDED:
            self._at_work = False
            last = v.string(payload.get("last_agent_message")) or ""
            if last.strip() and last.strip() not in builder.last_text:
                self._reply(builder, "event", last)

    def _steers(self, builder: TurnBuilder) -> bool:
        """Whether a prompt that comes now was given while the model was at work."""
        return self._at_work and builder.running

    def _completed(self, builder: TurnBuilder, item: Json) -> None:
        kind = (v.string(item.get("type")) or "").replace("_", "").lower()
        text = v.block_text(item.get("content")) or v.string(item.get("text")) or ""
        if kind == "usermessage":
            words = items.prompt_text(text)
            if words and not items.is_injected(words) and self._once("prompt", "event", words):
                builder.prompt(words, steer=self._steers(builder))
        elif kind == "agentmessage":
            self._reply(builder, "event", text)

    def _compacted(self, builder: TurnBuilder, place: Place, payload: Json) -> None:
        if summary := v.string(payload.get("message")):
            builder.compact(summary)
        else:
            self.problems.note(f"Line {place.line:,}: {_SEALED}")


def read(records: Records, name: str) -> Reading:
    """``name`` is the file's, without its ending."""
    rollout = Rollout(records)
    facts = rollout.facts
    if not facts.said:
        raise ImportFailed("This is a Codex rollout in which nothing was said: nothing to import.")
    meta = facts.meta
    reading = Reading("codex", v.first_string(meta, "id", "session_id") or name, rollout.drafts, rollout.problems)
    reading.version = v.string(meta.get("cli_version"))
    git = v.mapping(meta.get("git"))
    reading.fields = {"working_dir": v.string(meta.get("cwd")), "branch": v.string(git.get("branch"))}
    if title := name_of(facts.name):
        reading.fields |= {"name": title, "name_source": "auto"}
    spawned = v.mapping(v.mapping(v.mapping(meta.get("source")).get("subagent")).get("thread_spawn"))
    parent = v.first_string(spawned, "parent_thread_id") or v.first_string(meta, "parent_thread_id", "forked_from_id")
    if parent:
        reading.facts["parent"] = parent[:200]
    return reading


def _unwrapped(record: Json) -> tuple[str, Json]:
    """Type and payload; the oldest rollouts have the items bare, and their first line is the session's."""
    kind, payload = record.get("type"), record.get("payload")
    if isinstance(payload, dict):
        return (kind if isinstance(kind, str) else ""), payload
    if v.one_of(kind, items.ITEMS):
        return "response_item", record
    if kind is None and v.string(record.get("id")) and "record_type" not in record:
        return "session_meta", record
    return "", {}


def _readable(content: object) -> object:
    return [part for part in v.mappings(content) if "encrypted_content" not in part]
