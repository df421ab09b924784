"""``agentd/chat`` and ``agentd/turn/*``."""

from agentd import prompting
from agentd.protocol import ChatParams, InterruptParams, SessionParams, SessionTurn, TurnResult
from agentd.server.handlers.context import Context


async def chat(context: Context, params: ChatParams) -> SessionTurn:
    return await prompting.chat(context.workspace, context.peer, params)


async def interrupt(context: Context, params: InterruptParams) -> TurnResult:
    return TurnResult(turn=await prompting.interrupt(context.workspace, params.session_id, params.turn))


async def detach(context: Context, params: SessionParams) -> TurnResult:
    workspace = context.workspace
    return TurnResult(turn=await workspace.tasks.own(prompting.detach(workspace, params.session_id)))


async def retry(context: Context, params: SessionParams) -> SessionTurn:
    return await prompting.retry(context.workspace, context.peer, params.session_id)
