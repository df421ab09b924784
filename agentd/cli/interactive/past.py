"""A session's earlier turns, as the chat shows them when it goes into the session."""

from agentd.cli import output
from agentd.cli.showing import about, left_out
from agentd.protocol import Item, ResumeResult, Turn


def show(result: ResumeResult) -> None:
    """The last turns, and how many there are before them."""
    if result.turns and result.turns[0].number > 1:
        output.note(f"… {result.turns[0].number - 1} earlier")
    for turn in result.turns:
        show_turn(turn)
    for waiting in result.queued:
        output.note(f"Waiting: {prompt_of(waiting)}")


def show_turn(turn: Turn, retry: str = "/retry") -> None:
    """``retry``: what to type to send its prompt again."""
    if turn.compacted is not None:
        output.note(summary_of(turn.compacted))
    else:
        show_prompt(prompt_of(turn))
    for item in turn.items:
        for told in left_out(item):
            output.note(told)
        show_item(item)
    if turn.status in ("failed", "interrupted"):
        reason = f": {turn.error.message}" if turn.error and turn.status == "failed" else ""
        output.note(f"({turn.status}{reason} – {retry} sends it again)")
    output.line()


def show_running(result: ResumeResult) -> None:
    if result.running is not None:
        show_prompt(prompt_of(result.running))


def show_prompt(prompt: str, who: str = "") -> None:
    """What was asked, as it stood on the prompt line."""
    first, *rest = output.clean(prompt).splitlines() or [""]
    output.line(output.styled(f"{who}> {first}", "bold"))
    for more in rest:
        output.line(output.styled(f"  {more}", "bold"))


def show_item(item: Item) -> None:
    told = about(item)
    if told:
        output.note(told)
    elif item.kind == "text":
        show_text(item.text or "")


def show_text(text: str) -> None:
    """A piece of a reply."""
    text = output.clean(text)
    if not text.strip():
        return
    if not output.can_draw():
        output.line(text.rstrip("\n"))
        return
    from agentd.cli.markdown import rendered

    for line in rendered(text, output.console()):
        output.line(line)


def summary_of(through: int) -> str:
    """What stands where a turn that compacts has no prompt."""
    return f"{'Turn 1' if through == 1 else f'Turns 1 to {through}'}, summarised:"


def prompt_of(turn: Turn) -> str:
    """What was asked in a turn."""
    return next((item.text or "" for item in turn.items if item.kind == "prompt"), "")
