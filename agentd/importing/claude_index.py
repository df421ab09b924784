"""The first time through a Claude Code transcript: which lines there are, how they hang together, where results are.

Holds a few hundred bytes a line, none of the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agentd.importing import values as v
from agentd.importing.claude_text import said
from agentd.importing.problems import Problems
from agentd.importing.source import Place, Records
from agentd.importing.values import Json

MESSAGES = ("user", "assistant")
SPAWNING = ("Task", "Agent")
_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary", "agent-name": "agentName"}


@dataclass(slots=True, eq=False)
class Node:
    """A line of the conversation. ``prompt``: a person typed it. ``message``: the id of the model's reply it is of."""

    place: Place
    order: int
    kind: str
    uuid: str | None
    parent: str | None
    time: str
    session: str | None
    side: str | None
    prompt: bool
    boundary: bool
    message: str | None

    @property
    def spoken(self) -> bool:
        return self.kind in MESSAGES or self.boundary


@dataclass(slots=True)
class Agent:
    """What the call that began a sub-agent says of it."""

    name: str | None
    title: str | None


@dataclass
class Index:
    nodes: list[Node] = field(default_factory=list)
    by_uuid: dict[str, Node] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    results: dict[str, list[Place]] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    pinned: str | None = None
    session: str | None = None
    cwd: str | None = None
    branch: str | None = None
    version: str | None = None
    repeated: int = 0

    @classmethod
    def of(cls, records: Records, problems: Problems) -> "Index":
        index = cls()
        for place, record in records.all(problems):
            index._add(place, record, problems)
        if index.repeated:
            lines = (
                "One line repeats an earlier one"
                if index.repeated == 1
                else f"{index.repeated:,} lines repeat earlier ones"
            )
            problems.note(f"{lines}, as resuming writes them: taken once.")
        return index

    def _add(self, place: Place, record: Json, problems: Problems) -> None:
        kind = v.string(record.get("type")) or ""
        if kind in _TITLES:
            if title := v.string(record.get(_TITLES[kind])):
                self.titles[kind] = title
            return
        if kind == "last-prompt":
            if record.get("explicit") is True:
                self.pinned = v.string(record.get("leafUuid"))
            return
        message = record.get("message")
        if kind in MESSAGES and not isinstance(message, dict):
            problems.damaged(place.line, f"is a {kind}'s message without a message")
            return
        uuid = v.string(record.get("uuid"))
        if kind not in MESSAGES and (uuid is None or kind == "file-history-snapshot"):
            return
        if uuid is not None and uuid in self.by_uuid:
            self.repeated += 1
            return
        self._learn(record)
        node = Node(
            place, len(self.nodes), kind, uuid, v.string(record.get("parentUuid")),
            v.moment(record.get("timestamp")) or "", self._session(record), _side(record, uuid),
            kind == "user" and _is_prompt(record), record.get("subtype") == "compact_boundary",
            v.string(v.mapping(message).get("id")) if kind == "assistant" else None,
        )  # fmt: skip
        if node.boundary and node.parent is None:
            node.parent = v.string(record.get("logicalParentUuid"))
        self.nodes.append(node)
        if uuid is not None:
            self.by_uuid[uuid] = node
        self._blocks(place, v.mapping(message))

    def _session(self, record: Json) -> str | None:
        own = v.string(record.get("sessionId"))
        self.session = self.session or own
        # One text for all lines, not one each.
        return self.session if own == self.session else own

    def _learn(self, record: Json) -> None:
        self.cwd = self.cwd or v.string(record.get("cwd"))
        self.version = v.string(record.get("version")) or self.version
        self.branch = v.string(record.get("gitBranch")) or self.branch

    def _blocks(self, place: Place, message: Json) -> None:
        for block in v.mappings(message.get("content")):
            if block.get("type") == "tool_result" and (call := v.string(block.get("tool_use_id"))):
                self.results.setdefault(call, []).append(place)
            elif call := v.string(block.get("id")):
                self.calls.add(call)
            if block.get("name") in SPAWNING:
                given = v.mapping(block.get("input"))
                if asked := v.string(given.get("prompt")):
                    about = Agent(v.string(given.get("subagent_type")), v.string(given.get("description")))
                    self.agents[asked.strip()[:500]] = about


def texts_of(message: Json) -> Iterator[str]:
    """The text blocks of a user's message."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for block in v.listed(content):
        if isinstance(block, str):
            yield block
        elif isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str):
            yield block["text"]


def has_results(message: Json) -> bool:
    return any(block.get("type") == "tool_result" for block in v.mappings(message.get("content")))


def is_injected(record: Json) -> bool:
    """Whether the program wrote this user's message."""
    origin = v.mapping(record.get("origin")).get("kind")
    return record.get("isMeta") is True or (isinstance(origin, str) and origin not in ("human", "user"))


def _is_prompt(record: Json) -> bool:
    message = v.mapping(record.get("message"))
    if is_injected(record) or record.get("isCompactSummary") is True or has_results(message):
        return False
    return any(said(text).kind in ("prompt", "command") for text in texts_of(message))


def _side(record: Json, uuid: str | None) -> str | None:
    """Which sub-agent a line is of: its id; empty when it has none and its chain must say."""
    if record.get("isSidechain") is not True:
        return None
    return v.string(record.get("agentId")) or ""
