"""Which lines of a Claude Code transcript are the conversation: the newest leaf and all before it. Pure.

A transcript is a tree: editing an earlier prompt begins a branch. But results of calls made at once, and the parts
of one reply, branch as well without meaning to: those belong to the conversation, wherever they hang.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agentd.importing.claude_index import Index, Node
from agentd.importing.problems import Problems


@dataclass(frozen=True)
class Chains:
    """``main`` in order; ``sides`` are the sub-agents' that are in the same file, each in order."""

    main: list[Node]
    sides: list[list[Node]]


def chains_of(index: Index, problems: Problems) -> Chains:
    main = [node for node in index.nodes if node.side is None]
    sides = [node for node in index.nodes if node.side is not None]
    if not any(node.kind in ("user", "assistant") for node in main):
        # A sub-agent's own file.
        main, sides = index.nodes, []
    parents = _parents(index, main)
    chosen = _walk(_leaf(index, main, parents), parents)
    taken = set(map(id, chosen))
    chosen = _with_parts(chosen, [node for node in main if id(node) not in taken])
    _tell_branches(main, chosen, parents, problems)
    return Chains(chosen, _groups(index, sides))


def _parents(index: Index, nodes: Sequence[Node]) -> dict[int, Node | None]:
    """Each line's parent. Where the file does not have it, the line before: files are cut and joined."""
    within = set(map(id, nodes))
    linked = any(node.parent is not None for node in nodes if node.kind == "assistant")
    found: dict[int, Node | None] = {}
    first: Node | None = None
    before: Node | None = None
    for node in nodes:
        parent = index.by_uuid.get(node.parent) if node.parent is not None else None
        if parent is None or parent is node or id(parent) not in within:
            edited = linked and first is not None and node.prompt and first.prompt and node.parent is None
            parent = None if edited and first is not None and node.session == first.session else before
        first = first or (node if node.prompt else None)
        found[id(node)] = parent
        before = node
    return found


def _leaf(index: Index, nodes: Sequence[Node], parents: dict[int, Node | None]) -> Node | None:
    """The newest message, and from there on to the newest of what follows it."""
    pinned = index.by_uuid.get(index.pinned) if index.pinned else None
    if pinned is not None and id(pinned) in parents:
        return pinned
    spoken = [node for node in nodes if node.spoken]
    if not spoken:
        return None
    leaf = max(spoken, key=_age)
    children: dict[int, Node] = {}
    for node in spoken:
        parent = parents[id(node)]
        if parent is not None and (id(parent) not in children or _age(node) >= _age(children[id(parent)])):
            children[id(parent)] = node
    seen = {id(leaf)}
    while (child := children.get(id(leaf))) is not None and id(child) not in seen:
        seen.add(id(child))
        leaf = child
    return leaf


def _age(node: Node) -> tuple[str, int]:
    return node.time, node.order


def _walk(leaf: Node | None, parents: dict[int, Node | None]) -> list[Node]:
    chain: list[Node] = []
    seen: set[int] = set()
    node = leaf
    while node is not None and id(node) not in seen:
        seen.add(id(node))
        chain.append(node)
        node = parents[id(node)]
    return chain[::-1]


def _with_parts(chain: list[Node], others: Sequence[Node]) -> list[Node]:
    """With all parts of the replies that are in it, each after the last part that is."""
    last = {node.message: place for place, node in enumerate(chain) if node.message is not None}
    after: dict[int, list[Node]] = {}
    for node in others:
        if node.message in last:
            after.setdefault(last[node.message], []).append(node)
    return [one for place, node in enumerate(chain) for one in (node, *after.get(place, ()))]


def _tell_branches(
    nodes: Sequence[Node], chosen: Sequence[Node], parents: dict[int, Node | None], problems: Problems
) -> None:
    taken = set(map(id, chosen))
    left = [node for node in nodes if id(node) not in taken and node.prompt]
    roots: list[Node] = []
    within: set[int] = set()
    for node in left:
        above, seen = parents[id(node)], set[int]()
        while above is not None and id(above) not in taken and id(above) not in within and id(above) not in seen:
            seen.add(id(above))
            above = parents[id(above)]
        if above is None or id(above) not in within:
            roots.append(node)
        # What was walked over once is known: many prompts may hang on one long branch.
        within |= {id(node), *seen}
    if roots:
        places = ", ".join(f"{node.place.line:,}" for node in roots[:5]) + (", …" if len(roots) > 5 else "")
        branches = "one other branch" if len(roots) == 1 else f"{len(roots)} other branches"
        prompts = "1 prompt" if len(left) == 1 else f"{len(left)} prompts"
        problems.note(f"The conversation has {branches} with {prompts} (from line {places}): left out, as not newest.")


def _groups(index: Index, nodes: Sequence[Node]) -> list[list[Node]]:
    """The lines of each sub-agent: by its id, else by the line that its chain begins with."""
    groups: dict[object, list[Node]] = {}
    known: dict[int, object] = {}
    for node in nodes:
        parent = index.by_uuid.get(node.parent) if node.parent else None
        inherited = known.get(id(parent)) if parent is not None else None
        key = node.side or inherited or id(node)
        known[id(node)] = key
        groups.setdefault(key, []).append(node)
    return [group for group in groups.values() if any(node.kind in ("user", "assistant") for node in group)]
