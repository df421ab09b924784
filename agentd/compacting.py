"""``agentd/session/compact``: a turn of its own in which the session's model writes what stands in for earlier turns.

Everything stays on disk. The summary streams into the transcript like a reply, so that people see what replaces what.
"""

from collections.abc import Sequence

from agentd import clock
from agentd.asking import conversation_before
from agentd.core.records import Draft, mark_draft
from agentd.errors import InvalidParams, ModelFailed, SessionArchived, SessionBusy
from agentd.models.api import Model
from agentd.prompting import Accepted, until_ended
from agentd.protocol import CompactParams, Session, Turn
from agentd.running import Running, ask
from agentd.session import OpenSession, Peer
from agentd.store.api import Conversation
from agentd.summing import parts, summarise, summary_request
from agentd.turns import start
from agentd.workspace import Workspace


async def compact(workspace: Workspace, peer: Peer, params: CompactParams) -> Session:
    """The session once its summary is made. Raises ModelFailed with what the model said: then nothing was changed."""
    accepted = await workspace.tasks.own(_begin(workspace, peer, params))
    done = await until_ended(workspace, peer, accepted)
    if done.turn.status != "completed":
        why = done.turn.error.message if done.turn.error else done.turn.status
        raise ModelFailed(f"Nothing was compacted: {why}", "summary", retryable=True)
    return done.session


async def _begin(workspace: Workspace, peer: Peer, params: CompactParams) -> Accepted:
    async with workspace.using(params.session_id) as session, session.order:
        if session.metadata.status == "archived":
            raise SessionArchived(session.id)
        if session.live is not None:
            raise SessionBusy(f"Session '{session.id[:8]}' is answering: it can be compacted when the turn is over.")
        through = await _through(session, params.keep_turns or 0)
        turn = Turn(
            number=session.next_number,
            status="running",
            started=clock.now(),
            model=session.metadata.model,
            compacted=through,
        )
        await start(workspace, session, turn, peer.environment, _summarise, {})
        return Accepted(session, turn, session.waiter(turn.number))


async def _through(session: OpenSession, keep: int) -> int:
    """The last turn that the summary stands in for."""
    conversation = await session.log.conversation(1 << 20)
    turns = [turn for turn in conversation.turns if turn.compacted is None]
    older = turns[: len(turns) - keep] if keep else turns
    if not older:
        what = f"besides the last {keep}, which stay" if keep and turns else "that the model is still sent"
        raise InvalidParams(f"keepTurns: there is no turn {what}: nothing to compact")
    return older[-1].number


async def _summarise(run: Running) -> Sequence[Draft]:
    """Once more in smaller parts, when the model's window turns out to be smaller than was known."""
    models = run.workspace.models
    model = models.find(run.session.metadata.model or await models.default(run.environment))
    try:
        return await _in_parts(run, model)
    except ModelFailed as error:
        smaller = models.find(model.traits.id)
        if error.reason != "tooLong" or run.stream.spoke or smaller.traits == model.traits:
            raise
        return await _in_parts(run, smaller)


async def _in_parts(run: Running, model: Model) -> Sequence[Draft]:
    """All parts but the last are summarised unseen; the last one's summary, which has them in it, is what streams."""
    through = run.live.start.compacted or 0
    before = await conversation_before(run.session, run.live, model.traits)
    older = tuple(turn for turn in before.turns if turn.number <= through)
    *first, last = parts(older, model.traits) or [[]]
    summary = before.summary
    if first:
        turns = tuple(turn for part in first for turn in part)
        summary = await summarise(run, model, Conversation(turns, before.system, summary))
    run.live.begin_call()
    shown = Conversation(tuple(last), before.system, summary)
    await ask(run, model, summary_request(run.live.number, last, shown, model.traits))
    run.stream.flush()
    text = "".join(item.text or "" for item in run.live.items if item.kind == "text").strip()
    if not text:
        raise ModelFailed("The model gave no summary.", "badReply", retryable=True)
    # One that filled its room is cut short, and a summary all the same.
    if run.live.stop_reason not in ("end_turn", "stop_sequence", "max_tokens"):
        raise ModelFailed("The model broke off its summary.", "badReply", retryable=True)
    return [mark_draft("compact", through, summary=text)]
