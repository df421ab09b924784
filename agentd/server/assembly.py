"""The daemon's parts, made and put together: settings, store, models, workspace, handlers."""

import logging
from pathlib import Path

import anyio.to_thread

from agentd import config
from agentd.counting import recount
from agentd.models.catalog import ModelCatalog
from agentd.server import takeover
from agentd.server.daemon import Daemon, Hosted
from agentd.server.handlers import COMMANDS, HANDLERS, Context
from agentd.store import open_store
from agentd.workspace import Workspace

logger = logging.getLogger(__name__)


async def assemble(daemon: Daemon) -> tuple[Hosted, float]:
    """A started workspace with the daemon open on it, and the settings' idle minutes."""
    settings, problems = config.load()
    root, data = Path(daemon.root), Path(daemon.data)
    settled = await anyio.to_thread.run_sync(takeover.settle, daemon.data, daemon.root)
    for note in settled.notes:
        logger.info("%s", note)
    store = open_store(data, root)
    if not settled.certain:
        store.leave_unidentified()
    daemon.problems = (*problems, *(() if settled.certain else settled.notes))
    workspace = Workspace(root, store, ModelCatalog(settings, data), settings)
    workspace.folder.identity = settled.project_id
    await workspace.start()
    workspace.tasks.spawn(recount(workspace))
    await daemon.open(workspace, HANDLERS, COMMANDS, lambda connection: Context(workspace, connection, daemon))
    return workspace, settings.idle_minutes
