"""Claude Code's transcripts (``~/.claude/projects/…/*.jsonl``), of its several versions."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from agentd.core.records import Draft
from agentd.errors import ImportFailed
from agentd.importing import values as v
from agentd.importing.claude_chain import chains_of
from agentd.importing.claude_index import Agent, Index, Node, texts_of
from agentd.importing.claude_turns import ClaudeTurns
from agentd.importing.counting import Target
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading, name_of
from agentd.importing.source import Records

MOST_CHILDREN = 200
TITLE = 50
_NAME = re.compile(r"[^a-z0-9]+")


def read(records: Records, name: str, others: Sequence[tuple[str, Records]] = ()) -> Reading:
    """``name`` is the file's, without its ending; ``others`` are its sub-agents' files, by name."""
    problems = Problems()
    index = Index.of(records, problems)
    chains = chains_of(index, problems)
    if not any(node.kind in ("user", "assistant") for node in chains.main):
        raise ImportFailed("This is a Claude Code transcript without a message: nothing to import.")
    session = index.session or name
    reading = Reading("claude-code", session, partial(_drafts, records, index, chains.main, problems), problems)
    reading.version = index.version
    reading.fields = {"working_dir": index.cwd, "branch": index.branch, **_title(index)}
    reading.children = [
        _child(records, index, nodes, index, f"{session}#{number}", Problems())
        for number, nodes in enumerate(chains.sides, 1)
    ]
    for other, lines in others:
        theirs = Problems()
        own = Index.of(lines, theirs)
        found = chains_of(own, theirs).main
        if any(node.kind in ("user", "assistant") for node in found):
            reading.children.append(_child(lines, own, found, index, other, theirs))
    if len(reading.children) > MOST_CHILDREN:
        problems.note(f"Of {len(reading.children):,} sub-agents the first {MOST_CHILDREN} are imported.")
        del reading.children[MOST_CHILDREN:]
    return reading


def _drafts(
    records: Records, index: Index, nodes: Sequence[Node], problems: Problems, target: Target
) -> Iterator[Draft]:
    return ClaudeTurns(records, nodes, index, problems, target).drafts()


def _title(index: Index) -> dict[str, str]:
    """A person's title comes first; a name that the program made is one of ours that we made."""
    for kind, source in (("custom-title", "user"), ("ai-title", "auto"), ("summary", "auto")):
        if name := name_of(index.titles.get(kind), 256 if source == "user" else TITLE):
            return {"name": name, "name_source": source}
    return {}


def _child(
    records: Records, own: Index, nodes: Sequence[Node], parent: Index, child_id: str, problems: Problems
) -> Reading:
    about = parent.agents.get(_asked(records, nodes)) or Agent(None, None)
    reading = Reading("claude-code", child_id, partial(_drafts, records, own, nodes, problems), problems)
    reading.version = own.version
    agent = _NAME.sub("-", (about.name or "agent").lower()).strip("-")[:32].strip("-") or "agent"
    reading.fields = {"agent_name": agent, "working_dir": own.cwd, "branch": own.branch}
    if name := name_of(about.title, TITLE):
        reading.fields |= {"name": name, "name_source": "auto"}
    return reading


def _asked(records: Records, nodes: Sequence[Node]) -> str:
    """What a sub-agent was asked first: its caller's words."""
    first = next((node for node in nodes if node.kind == "user"), None)
    if first is None:
        return ""
    return "\n".join(texts_of(v.mapping(records.at(first.place).get("message")))).strip()[:500]
