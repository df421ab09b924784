"""Summaries that stand in for earlier turns: by the session's model, a part at a time where its window wants it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from agentd.asking import conversation_before
from agentd.core.exchange import BlockDelta, BlockStarted, ModelEvent, ModelTraits, Request, Stopped, TokensUsed
from agentd.core.history import build_request, tokens_of
from agentd.core.live import LiveTurn
from agentd.core.records import item_draft, mark_draft
from agentd.errors import ModelFailed, ModelUnavailable
from agentd.models.api import Model
from agentd.protocol import Item, ItemEnded, ItemStarted, Notice, Turn
from agentd.running import Running, call
from agentd.store.api import Conversation

ASK = (
    "Summarise the conversation so far, for yourself: from now on you will see this summary instead of it. Keep what "
    "is needed to go on: what the person wants and decided, facts, names, paths and code that matter, what was done, "
    "what is open. Leave out what is settled and will not be asked again. Write the summary alone."
)
LONGEST_SUMMARY = 4096
"""Tokens."""
KEPT_PART = 0.3
"""Of what a conversation may take: newest turns that stay as they are when it is compacted by itself."""


@dataclass(slots=True)
class _Gathered:
    """The text of a reply that is not shown as it comes; its tokens count for the turn all the same."""

    live: LiveTurn
    texts: list[str] = field(default_factory=list)
    stopped: bool = False
    _text: bool = False

    def take(self, event: ModelEvent) -> None:
        match event:
            case BlockStarted(kind):
                self._text = kind == "text"
            case BlockDelta(text) if self._text:
                self.texts.append(text)
            case TokensUsed():
                self.live.feed(event)
            case Stopped():
                self.stopped = True


def parts(turns: Sequence[Turn], traits: ModelTraits) -> list[list[Turn]]:
    """The turns, oldest first, in parts of which each fits well into the window."""
    most, room = traits.context_window // 2, 0
    made: list[list[Turn]] = []
    for turn in turns:
        cost = tokens_of(turn)
        if not made or cost > room:
            made.append([])
            room = most
        made[-1].append(turn)
        room -= cost
    return made


def summary_request(number: int, part: Sequence[Turn], before: Conversation, traits: ModelTraits) -> Request:
    """What asks for a summary of these turns and of the summary that stands before them."""
    prompt = Turn(number=number, status="running", started="", items=(Item(id=f"{number}.1", kind="prompt", text=ASK),))
    return build_request(traits, part, prompt, system=before.system, summary=before.summary, max_tokens=LONGEST_SUMMARY)


async def summarise(run: Running, model: Model, before: Conversation) -> str:
    """A summary of all of ``before``. Raises ModelFailed, ModelUnavailable: nothing was changed."""
    for part in parts(before.turns, model.traits) or [[]]:
        run.live.begin_call()
        gathered = _Gathered(run.live)
        request = summary_request(run.live.number, part, before, model.traits)
        await call(run, model, request, gathered.take, _spoke(gathered))
        text = "".join(gathered.texts).strip()
        if not text or not gathered.stopped:
            raise ModelFailed("The model gave no summary.", "badReply", retryable=True)
        before = Conversation(before.turns, before.system, text)
    assert before.summary is not None
    return before.summary


def _spoke(gathered: _Gathered) -> Callable[[], bool]:
    return lambda: bool(gathered.texts)


async def make_room(run: Running, model: Model) -> None:
    """Compact the conversation by itself when it comes near the model's window, before the turn's first call.

    A summary that cannot be had costs nothing but itself: the request is then made to fit by leaving out the oldest.
    """
    traits = model.traits
    share = run.workspace.settings.compact_at
    if traits.embedded or share >= 1:
        return
    before = await conversation_before(run.session, run.live, traits)
    older = _too_much(before, run.live.snapshot(), traits, share)
    if not older:
        return
    first, last = older[0].number, older[-1].number
    turns = f"Turns {first} to {last}" if last > first else f"Turn {first}"
    message = f"{turns}: being summarised, as the conversation is near the model's window."
    run.workspace.publish(run.session, Notice(kind="compact", message=message, turn=run.live.number))
    try:
        summary = await summarise(run, model, Conversation(older, before.system, before.summary))
    except (ModelFailed, ModelUnavailable) as error:
        message = f"{turns} could not be summarised: {error.message} The oldest are left out of this request."
        run.workspace.publish(run.session, Notice(kind="compact", message=message, turn=run.live.number))
        return
    run.live.stop_reason = None
    item = run.live.next_item("notice", text=f"{turns}: from now on the model is sent this summary.\n\n{summary}")
    with anyio.CancelScope(shield=True):
        async with run.session.order:
            drafts = [mark_draft("compact", last, summary=summary), item_draft(run.live.number, item)]
            await run.workspace.write(run.session, drafts)
            run.live.add(item)
            run.workspace.publish(run.session, ItemStarted(turn=run.live.number, item=item))
            run.workspace.publish(run.session, ItemEnded(turn=run.live.number, item=item))


def _too_much(before: Conversation, current: Turn, traits: ModelTraits, share: float) -> tuple[Turn, ...]:
    """The turns that a summary should stand in for; none while all of them fit well."""
    costs = [tokens_of(turn) for turn in before.turns]
    if sum(costs) + tokens_of(current) <= share * traits.context_window or len(costs) < 2:
        return ()
    kept, room = 0, KEPT_PART * share * traits.context_window
    while kept < len(costs) - 1 and (room := room - costs[-1 - kept]) >= 0:
        kept += 1
    return before.turns[: len(costs) - kept]
