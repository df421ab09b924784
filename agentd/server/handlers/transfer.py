"""``agentd/session/export``: a session as one file."""

from agentd import exporting
from agentd.protocol import ExportParams, ExportResult
from agentd.server.handlers.context import Context


async def export(context: Context, params: ExportParams) -> ExportResult:
    return await exporting.export(context.workspace, context.peer, params, context.daemon.version)
