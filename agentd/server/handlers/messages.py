"""``agentd/session/messages`` and ``/setMessages``: a conversation as messages of role and content."""

from agentd import conversation
from agentd.protocol import MessagesParams, MessagesResult, SessionResult, SetMessagesParams
from agentd.server.handlers.context import Context


async def messages(context: Context, params: MessagesParams) -> MessagesResult:
    return await conversation.read(context.workspace, params)


async def set_messages(context: Context, params: SetMessagesParams) -> SessionResult:
    workspace, peer = context.workspace, context.peer
    work = conversation.set_messages(workspace, peer.environment, peer.cwd, params)
    return SessionResult(session=await workspace.tasks.own(work))
