"""``agentd/session/delete`` and ``/cleanup``."""

from agentd import removing
from agentd.protocol import CleanupParams, DeleteParams, DeleteResult
from agentd.server import messages
from agentd.server.handlers.context import Context
from agentd.server.handlers.finding import Encoded

SHOWN = 1000
PROBLEMS = 100
"""That an answer has at most."""


async def delete(context: Context, params: DeleteParams) -> DeleteResult:
    return await context.workspace.tasks.own(removing.delete(context.workspace, params))


async def cleanup(context: Context, params: CleanupParams) -> Encoded:
    """A ``CleanupResult``."""
    cleaned = await context.workspace.tasks.own(removing.cleanup(context.workspace, params))
    sessions, problems = cleaned.sessions, cleaned.problems
    if len(problems) > PROBLEMS:
        problems = (*problems[:PROBLEMS], f"{len(problems) - PROBLEMS} more were not deleted.")
    rest = messages.encode({"total": len(sessions), "bytes": cleaned.bytes, "problems": list(problems)})
    return Encoded.of(b'{"sessions":[' + b",".join(sessions[:SHOWN]) + b"]," + rest[1:])
