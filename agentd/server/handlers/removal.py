"""``agentd/session/delete`` and ``/cleanup``."""

from agentd import removing
from agentd.protocol import CleanupParams, CleanupResult, DeleteParams, DeleteResult
from agentd.server.handlers.context import Context


async def delete(context: Context, params: DeleteParams) -> DeleteResult:
    return await context.workspace.tasks.own(removing.delete(context.workspace, params))


async def cleanup(context: Context, params: CleanupParams) -> CleanupResult:
    return await context.workspace.tasks.own(removing.cleanup(context.workspace, params))
