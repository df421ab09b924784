"""``agentd session stats``: messages, tool calls, tokens and cost, of a session or of the project."""

from typing import Annotated, Any

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask, given, present
from agentd.cli.output import one_line
from agentd.cli.rows import counted
from agentd.cli.table import plain_table

TITLES = ("Turns", "Input", "Output", "Cache", "Cost")


def stats(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Default: all of the project.",
            show_default=False,
            autocompletion=options.known_sessions,
        ),
    ] = None,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Count messages, tool calls, tokens and cost, by model and day."""
    answer = ask(options.address(root), "agentd/session/stats", present(sessionId=session))
    if as_json:
        output.data(answer)
        return
    for text in shown(answer, output.width(), whole=session is None):
        output.line(text)
    for text in remarks(answer):
        output.note(text)


def shown(answer: dict[str, Any], width: int | None, *, whole: bool) -> list[str]:
    """The sums, and a table for the models and one for the days."""
    usage = given(answer.get("usage"))
    facts = [
        ("Sessions", str(answer.get("sessions"))) if whole else None,
        ("Turns", str(answer.get("turns", 0))),
        ("Messages", f"{answer.get('userMessages', 0)} yours, {answer.get('assistantMessages', 0)} the model's"),
        ("Tools", f"{counted(int(answer.get('toolCalls', 0)), 'call')}, "
                  f"{counted(int(answer.get('toolResults', 0)), 'result')}"),
        ("Tokens", f"{usage.get('inputTokens', 0):,} in, {usage.get('outputTokens', 0):,} out, "
                   f"{usage.get('cacheReadTokens', 0):,} from the cache, {usage.get('cacheWriteTokens', 0):,} to it"),
        ("Cost", cost(usage) if usage.get("cost") is not None else "not known"),
    ]  # fmt: skip
    lines = [output.styled(f"{fact[0]}:", "dim") + f" {fact[1]}" for fact in facts if fact]
    for title, name, entries in (
        ("Model", "model", answer.get("byModel", [])),
        ("Day", "day", answer.get("byDay", [])),
    ):
        if entries:
            rows = [(one_line(str(entry.get(name))), *_figures(entry)) for entry in entries]
            lines += ["", *_table(title, rows, width)]
    return lines


def _table(title: str, rows: list[tuple[str, ...]], width: int | None) -> list[str]:
    """Without the cache's column where there is no room for it."""
    columns = (title, *TITLES)
    narrow = width is not None and width < 60
    chosen = [at for at, column in enumerate(columns) if not (narrow and column == "Cache")]
    return plain_table([columns[at] for at in chosen], [[row[at] for at in chosen] for row in rows], width)


def _figures(entry: dict[str, Any]) -> tuple[str, ...]:
    usage = given(entry.get("usage"))
    cached = int(usage.get("cacheReadTokens", 0)) + int(usage.get("cacheWriteTokens", 0))
    return (
        str(entry.get("turns", 0)), tokens(usage.get("inputTokens", 0)), tokens(usage.get("outputTokens", 0)),
        tokens(cached), cost(usage),
    )  # fmt: skip


def tokens(count: int) -> str:
    """``812``, ``45.1k``, ``3.2M``."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 10**6:.1f}M"


def cost(usage: dict[str, Any]) -> str:
    """US dollars; a dash where no price is known."""
    amount = usage.get("cost")
    if amount is None:
        return "–"
    return f"${amount:.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def remarks(answer: dict[str, Any]) -> list[str]:
    """What the sums do not say."""
    unpriced = ", ".join(map(str, answer.get("unpriced", [])))
    told = [f"No price is known for {unpriced}: its tokens are counted without cost."] if unpriced else []
    return [*told, f"Prices as of {answer.get('prices')}, without discounts."]
