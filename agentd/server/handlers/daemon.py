"""``agentd/models``, ``/credentials/set``, ``/status`` and ``/shutdown``."""

import os

from agentd.errors import SessionBusy
from agentd.protocol import (
    PROTOCOL_VERSION,
    CredentialsParams,
    Empty,
    ModelsResult,
    ProfilesResult,
    RunningTurn,
    ShutdownParams,
    StatusResult,
)
from agentd.server.handlers.context import Answer, Context


async def models(context: Context, params: Empty) -> ModelsResult:
    catalog, environment = context.workspace.models, context.peer.environment
    default = await catalog.default(environment)  # first: it looks for keys, which the list then knows of
    return ModelsResult(models=catalog.list(environment), default=default)


async def profiles(context: Context, params: Empty) -> ProfilesResult:
    found = await context.workspace.profiles.all()
    return ProfilesResult(profiles=tuple(one.info for one in found.profiles.values()), problems=found.problems)


async def set_credentials(context: Context, params: CredentialsParams) -> Empty:
    await context.workspace.models.set_key(params.provider, params.key)
    return Empty()


async def status(context: Context, params: Empty) -> StatusResult:
    workspace, daemon = context.workspace, context.daemon
    indexing = not workspace.store.index.complete
    active, archived = await workspace.finding.counts()
    running = [
        RunningTurn(session_id=session.id, name=session.metadata.name, turn=session.live.number)
        for session in workspace.sessions.values()
        if session.live is not None
    ]
    return StatusResult(
        version=daemon.version,
        protocol=PROTOCOL_VERSION,
        pid=os.getpid(),
        root=str(workspace.root),
        store=workspace.store.location,
        socket=daemon.socket,
        connections=daemon.connections,
        sessions={"active": active, "archived": archived},
        indexing=indexing,
        running=tuple(running),
        model=workspace.models.presumed(context.peer.environment),
        saving=workspace.saving,
        started=daemon.started,
        problems=(*daemon.problems, *workspace.store.problems),
    )


async def shutdown(context: Context, params: ShutdownParams) -> Answer:
    workspace, daemon = context.workspace, context.daemon
    if params.only_idle and (workspace.busy or daemon.connections > 1):
        raise SessionBusy("The daemon is in use: a turn runs, or somebody else is attached.")
    return Answer(Empty(), daemon.stop)
