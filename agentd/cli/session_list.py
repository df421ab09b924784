"""``agentd session list | history | show``: what there is."""

from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present, with_link
from agentd.cli.failing import WrongUse
from agentd.cli.output import one_line
from agentd.cli.rows import Row, age, counted, local, row_of, rows_of, short_id
from agentd.cli.table import listed
from agentd.client.dial import Address
from agentd.client.link import Link

PAGE = 200
DEFAULT_LIMIT = 20
STATUSES = ("active", "background", "archived", "all")

Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many (default: 20).")]
Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Only those that this text is found in.")]


def list_sessions(
    everything: Annotated[bool, typer.Option("--all", help="Every status, without a limit.")] = False,
    limit: Limit = None,
    search: Search = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help=f"{', '.join(STATUSES)}.")] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """List sessions, the ones used last first."""
    if status is not None and status not in STATUSES:
        raise WrongUse(f"No such status: '{status}'", f"Known: {', '.join(STATUSES)}.")
    most = limit if limit is not None else None if everything else DEFAULT_LIMIT
    chosen = status or ("all" if everything else "active")
    _show_list(options.address(root), chosen, most, search, as_json=as_json)


def history(
    limit: Limit = None, search: Search = None, as_json: options.Json = False, root: options.Root = None
) -> None:
    """List archived sessions."""
    _show_list(options.address(root), "archived", limit or DEFAULT_LIMIT, search, as_json=as_json)


def show(session: options.SessionId, as_json: options.Json = False, root: options.Root = None) -> None:
    """Show all about one session."""
    shown = ask(options.address(root), "agentd/session/show", {"sessionId": session})
    if as_json:
        output.data(shown)
        return
    for label, value in described(row_of(given(shown.get("session"))), shown):
        output.fact(label, value)


def _show_list(place: Address, status: str, most: int | None, search: str | None, *, as_json: bool) -> None:
    sessions, total = with_link(place, lambda link: fetch(link, status, most, search))
    if as_json:
        output.data({"sessions": sessions, "total": total})
        return
    for text in listed(rows_of(sessions), output.width()):
        output.line(text)
    if not sessions:
        output.note(_nothing(status, search))
    elif total > len(sessions):
        output.note(f"{len(sessions)} of {total}. More with --limit N or --all, or look for some with --search TEXT.")


def _nothing(status: str, search: str | None) -> str:
    if search:
        return f"No session matches '{search}'."
    if status in ("archived", "background"):
        return f"No {status} sessions."
    return 'No sessions yet. Start one with: agentd chat "What does this project do?"'


async def fetch(link: Link, status: str, most: int | None, search: str | None) -> tuple[list[dict[str, Any]], int]:
    """So many sessions, over as many pages as it takes, and how many there are in all."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        size = PAGE if most is None else min(PAGE, most - len(found))
        params = present(status=status, query=search, limit=size, cursor=cursor)
        page = given(await link.request("agentd/session/list", params))
        found += page.get("sessions", [])
        cursor = page.get("nextCursor")
        if cursor is None or (most is not None and len(found) >= most):
            return found, int(page.get("total", len(found)))


def described(row: Row, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """All that ``session/show`` says, label and value; what is not known is left out."""
    stats = given(shown.get("stats"))
    usage = given(stats.get("usage"))
    counts = [counted(row.message_count, "message"), counted(int(stats.get("turns", row.turn_count)), "turn")]
    if stats.get("toolCalls"):
        counts.append(counted(int(stats["toolCalls"]), "tool call"))
    tokens = f"{usage.get('inputTokens', 0):,} in, {usage.get('outputTokens', 0):,} out" if usage else ""
    source = given(row.forked_from)
    fork = f"{short_id(str(source.get('sessionId')))} at turn {source.get('turn')}" if source else ""
    lines = [
        ("Session ID", row.id),
        ("Name", one_line(row.name or "")),
        ("Description", one_line(row.description or "")),
        ("Status", row.status if row.state == "idle" else f"{row.status}, {row.state}"),
        ("Created", local(row.created)),
        ("Last Activity", f"{local(row.last_active)} ({age(row.last_active)})"),
        ("Model", f"{row.model} ({row.provider})" if row.model and row.provider else row.model or ""),
        ("Profile", one_line(row.profile or "")),
        ("Mode", row.mode),
        ("Messages", ", ".join(counts)),
        ("Tokens", tokens),
        ("Tags", ", ".join(row.tags)),
        ("Forked from", fork),
        ("Working dir", one_line(row.working_dir or "")),
        ("Last Prompt", row.said),
    ]
    documents = [(one_line(str(document.get("name"))), document.get("size")) for document in shown.get("documents", [])]
    lines += [("Document", f"{name} ({size} B)") for name, size in documents]
    children = rows_of(shown.get("children", []))
    lines += [("Child", f"{child.short} {one_line(child.agent_name or '')}") for child in children]
    return [(label, value) for label, value in lines if value]
