"""A store for a session in this process that was given none: gone when it is closed."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from agentd.store import FileStore


class EphemeralStore(FileStore):
    """Files in a temporary directory of its own."""

    def __init__(self, root: Path) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="agentd-"))
        super().__init__(self._place / "project", str(root))

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(shutil.rmtree, self._place, ignore_errors=True)
