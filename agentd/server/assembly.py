"""The daemon's parts, made and put together: settings, store, models, workspace, handlers."""

from pathlib import Path

from agentd import config
from agentd.models.catalog import ModelCatalog
from agentd.server.daemon import Daemon, Hosted
from agentd.server.handlers import COMMANDS, HANDLERS, Context
from agentd.store import open_store
from agentd.workspace import Workspace


async def assemble(daemon: Daemon) -> tuple[Hosted, float]:
    """A started workspace with the daemon open on it, and the settings' idle minutes."""
    settings, problems = config.load()
    daemon.problems = problems
    root, data = Path(daemon.root), Path(daemon.data)
    workspace = Workspace(root, open_store(data, root), ModelCatalog(settings, data), settings)
    await workspace.start()
    await daemon.open(workspace, HANDLERS, COMMANDS, lambda connection: Context(workspace, connection, daemon))
    return workspace, settings.idle_minutes
