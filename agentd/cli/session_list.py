"""``agentd session list | history | background``: what there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import given, present, with_link
from agentd.cli.failing import WrongUse
from agentd.cli.rows import Row, rows_of
from agentd.cli.table import listed
from agentd.client.dial import Address
from agentd.client.link import Link

PAGE = 200
DEFAULT_LIMIT = 20
DEEPEST = 8
STATUSES = ("active", "background", "archived", "all")
SORTS = {"active": "lastActive", "created": "created", "name": "name"}

Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many (default: 20).")]
Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Only those that this text is found in.")]
Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only those that have this tag.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sessions: ``filters`` are those of ``agentd/session/list``; ``most`` None: all."""

    status: str = "active"
    most: int | None = DEFAULT_LIMIT
    search: str | None = None
    sort: str = "lastActive"
    tree: bool = False
    filters: Mapping[str, str | None] = field(default_factory=dict)

    def params(self, size: int, cursor: str | None) -> dict[str, Any]:
        return present(status=self.status, query=self.search, sort=self.sort, limit=size, cursor=cursor, **self.filters)


def list_sessions(
    everything: Annotated[bool, typer.Option("--all", help="Every status, without a limit.")] = False,
    limit: Limit = None,
    search: Search = None,
    tag: Tag = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help=f"{', '.join(STATUSES)}.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones: --status archived.")] = False,
    sort: Annotated[str, typer.Option("--sort", metavar="BY", help=f"{', '.join(SORTS)}.")] = "active",
    parent: Annotated[str | None, typer.Option("--parent", metavar="ID", help="The sub-sessions of this one.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Sub-sessions under their parents.")] = False,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Those of all projects.")] = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """List sessions, the ones used last first."""
    if status is not None and status not in STATUSES:
        raise WrongUse(f"No such status: '{status}'", f"Known: {', '.join(STATUSES)}.")
    if sort not in SORTS:
        raise WrongUse(f"--sort: '{sort}' is not known", f"Known: {', '.join(SORTS)}.")
    if archived and status not in (None, "archived"):
        raise WrongUse("--archived and --status ask for different sessions", "Give one of them.")
    default = "archived" if archived else "all" if everything else "active"
    asked = Asked(
        status or default,
        limit if limit is not None else None if everything else DEFAULT_LIMIT,
        search,
        SORTS[sort],
        tree,
        {"tag": tag, "parentId": parent, "scope": "everywhere" if everywhere else None},
    )
    show_list(options.address(root), asked, as_json=as_json)


def history(
    limit: Limit = None,
    search: Search = None,
    tag: Tag = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """List archived sessions."""
    asked = Asked("archived", limit or DEFAULT_LIMIT, search, filters={"tag": tag})
    show_list(options.address(root), asked, as_json=as_json)


def background(
    limit: Limit = None, search: Search = None, as_json: options.Json = False, root: options.Root = None
) -> None:
    """List sessions at work in the background, or not looked at yet."""
    show_list(options.address(root), Asked("background", limit or DEFAULT_LIMIT, search), as_json=as_json)


def show_list(place: Address, asked: Asked, *, as_json: bool) -> None:
    """The list, and to stderr what else there is."""
    found = with_link(place, lambda link: fetch(link, asked))
    sessions, total, children = found.sessions, found.total, found.children
    if found.indexing:
        output.note("The list is being made: sessions that were not used lately may be missing. Ask again in a moment.")
    if as_json:
        output.data({"sessions": [*sessions, *children], "total": total})
        return
    rows = rows_of(sessions)
    leads: list[str] = []
    if asked.tree:
        rows, leads = branches(rows, rows_of(children))
    for text in listed(rows, output.width(), leads, by_creation=asked.sort == "created"):
        output.line(text)
    if not sessions and not found.indexing:
        output.note(_nothing(asked))
    elif total > len(sessions):
        output.note(f"{len(sessions)} of {total}. More with --limit N or --all, or look for some with --search TEXT.")


def _nothing(asked: Asked) -> str:
    if asked.search:
        return f"No session matches '{asked.search}'. Their messages are looked through by: agentd search WORDS"
    if asked.filters.get("tag"):
        return f"No session has the tag '{asked.filters['tag']}'."
    if asked.filters.get("parentId"):
        return "It has no sub-sessions."
    if asked.status in ("archived", "background"):
        return f"No {asked.status} sessions."
    return 'No sessions yet. Start one with: agentd chat "What does this project do?"'


@dataclass(frozen=True, slots=True)
class Found:
    """``total``: how many there are in all; ``children``: for a tree, what is under the sessions."""

    sessions: list[dict[str, Any]]
    total: int
    children: list[dict[str, Any]]
    indexing: bool


async def fetch(link: Link, asked: Asked) -> Found:
    """The sessions that are asked for; a parent may be named as every session is, and is found first."""
    parent = asked.filters.get("parentId")
    if parent is not None:
        shown = given(await link.request("agentd/session/show", {"sessionId": parent}))
        asked = replace(asked, filters={**asked.filters, "parentId": given(shown.get("session")).get("id")})
    return await _pages(link, asked)


async def _pages(link: Link, asked: Asked) -> Found:
    """So many sessions, over as many pages as it takes."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        size = PAGE if asked.most is None else min(PAGE, asked.most - len(found))
        page = given(await link.request("agentd/session/list", asked.params(size, cursor)))
        found += page.get("sessions", [])
        cursor = page.get("nextCursor")
        if cursor is None or (asked.most is not None and len(found) >= asked.most):
            break
    children = await _below(link, [str(session["id"]) for session in found], DEEPEST) if asked.tree else []
    return Found(found, int(page.get("total", len(found))), children, page.get("indexing") is True)


async def _below(link: Link, parents: list[str], depth: int) -> list[dict[str, Any]]:
    """The sub-sessions of these, and theirs."""
    found: list[dict[str, Any]] = []
    for parent in parents if depth else ():
        params = {"parentId": parent, "status": "all", "sort": "created", "limit": PAGE}
        children = given(await link.request("agentd/session/list", params)).get("sessions", [])
        found += children
        found += await _below(link, [str(child["id"]) for child in children], depth - 1)
    return found


def branches(rows: list[Row], children: list[Row]) -> tuple[list[Row], list[str]]:
    """Each session with what is under it, oldest first, and what stands before its id."""
    below: dict[str | None, list[Row]] = {}
    for child in sorted(children, key=lambda row: row.created):
        below.setdefault(child.parent_id, []).append(child)
    shown: list[Row] = []
    leads: list[str] = []

    def add(row: Row, lead: str, under: str) -> None:
        shown.append(row)
        leads.append(lead)
        own = below.pop(row.id, [])
        for child in own:
            last = child is own[-1]
            add(child, under + ("└─ " if last else "├─ "), under + ("   " if last else "│  "))

    for row in rows:
        add(row, "", "")
    return shown, leads
