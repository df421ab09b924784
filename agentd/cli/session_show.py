"""``agentd session show``: all about one session, or one of its turns."""

from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given
from agentd.cli.failing import WrongUse
from agentd.cli.output import one_line
from agentd.cli.rows import Row, age, counted, lineage, local, row_of, rows_of, size
from agentd.client.dial import Address


def show(
    session: options.SessionId,
    turn: Annotated[int | None, typer.Option("--turn", min=1, metavar="N", help="Print this turn of it.")] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Show all about one session, or one of its turns."""
    place = options.address(root)
    if turn is not None:
        _show_turn(place, session, turn, as_json=as_json)
        return
    shown = ask(place, "agentd/session/show", {"sessionId": session})
    if as_json:
        output.data(shown)
        return
    for label, value in described(row_of(given(shown.get("session"))), shown):
        output.fact(label, value)


def _show_turn(place: Address, session: str, number: int, *, as_json: bool) -> None:
    # A page that ends before a turn that compacts may hold that turn too, in place of an older one.
    answer = ask(place, "agentd/session/turns", {"sessionId": session, "before": number + 1, "limit": 3})
    found = [turn for turn in answer.get("turns", []) if turn.get("number") == number]
    if not found:
        newest = max((int(turn.get("number", 0)) for turn in answer.get("turns", [])), default=0)
        ended = f"The last one that has ended is {newest}." if newest else "None has ended yet."
        raise WrongUse(f"Session '{session}' has no turn {number} that has ended", ended)
    if as_json:
        output.data({"turn": found[0]})
        return
    from agentd.cli.interactive import past
    from agentd.protocol import Turn

    past.show_turn(Turn.model_validate(found[0]), retry=f"agentd session retry {session}")


def described(row: Row, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """All that ``session/show`` says, label and value; what is not known is left out."""
    stats = given(shown.get("stats"))
    usage = given(stats.get("usage"))
    counts = [counted(row.message_count, "message"), counted(int(stats.get("turns", row.turn_count)), "turn")]
    if stats.get("toolCalls"):
        counts.append(counted(int(stats["toolCalls"]), "tool call"))
    tokens = f"{usage.get('inputTokens', 0):,} in, {usage.get('outputTokens', 0):,} out" if usage else ""
    if usage.get("cost") is not None:
        tokens += f" (${usage['cost']:.4f})"
    state = ", ".join(
        filter(None, (row.status, row.state if row.state != "idle" else "", "unseen" if row.unseen else ""))
    )
    lines = [
        ("Session ID", row.id),
        ("Name", one_line(row.name or "") + (" (automatic)" if row.name and row.name_source == "auto" else "")),
        ("Description", one_line(row.description or "")),
        ("Status", state),
        ("Last Turn", f"{row.broken_off} — agentd session retry {row.short}" if row.broken_off else ""),
        ("Created", local(row.created)),
        ("Last Activity", f"{local(row.last_active)} ({age(row.last_active)})"),
        ("Model", f"{row.model} ({row.provider})" if row.model and row.provider else row.model or ""),
        ("Profile", one_line(row.profile or "")),
        ("Mode", row.mode),
        ("Messages", ", ".join(counts)),
        ("Tokens", tokens),
        ("Tags", " ".join(f"#{one_line(tag)}" for tag in row.tags)),
        ("Forked from", lineage(row)),
        ("Parent", row.parent_id or ""),
        ("Agent", one_line(row.agent_name or "")),
        ("Working dir", one_line(row.working_dir or "")),
        ("Branch", one_line(row.branch or "")),
        ("Last Prompt", row.said),
    ]
    documents = [
        (one_line(str(document.get("name"))), document.get("size", 0)) for document in shown.get("documents", [])
    ]
    lines += [("Document", f"{name} ({size(int(count))})") for name, count in documents]
    children = rows_of(shown.get("children", []))
    lines += [("Child", f"{child.short}  {one_line(child.name or child.agent_name or '')}") for child in children]
    return [(label, value) for label, value in lines if value]
