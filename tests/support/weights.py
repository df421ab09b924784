"""The embedded model's weights for tests: fetched once for this machine, outside the clone, and lent to everybody.

They are installed by the product's own installer, whose file lock lets the workers of pytest-xdist take turns.
"""

import asyncio
import os
import threading
from pathlib import Path

from agentd.models import weights

# Read at import, before a test gives itself another home.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentd-tests" / weights.SHA256[:16]


def cached_weights() -> Path:
    """The weights' file. Fetches 93 MB the first time; works with and without a running loop."""
    found: list[Path | BaseException] = []

    def fetch() -> None:
        try:
            found.append(asyncio.run(weights.install(_CACHE)))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=fetch, name="weights")
    thread.start()
    thread.join()
    if isinstance(outcome := found[0], BaseException):
        raise outcome
    return outcome


def lend_weights(data_dir: Path) -> Path:
    """Put the weights where a daemon with this data directory looks for them, without copying; returns their place."""
    source = cached_weights()
    place = data_dir / "models" / weights.FILE
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(source)
    return place
