"""The disk: transcript, journal, metadata, queue and event log of every session. Nothing else writes the store."""

from pathlib import Path

from agentd.paths import project_dir
from agentd.store.project import FileStore as FileStore


def open_store(data: Path, root: Path) -> FileStore:
    """The store of a root's project below the data directory. Touches no disk until ``start``."""
    return FileStore(Path(project_dir(str(data), str(root))), str(root), home=data)
