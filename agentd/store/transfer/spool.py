"""Text that comes last first: a transcript's pages are read from its end. Small ones in memory, others in a file."""

import tempfile
from collections.abc import Callable
from pathlib import Path

IN_MEMORY = 8 << 20
BLOCK = 1 << 20


class Backwards:
    """Pieces are added newest first and written oldest first. The file has no name, and goes with us."""

    def __init__(self, directory: Path | None) -> None:
        """``directory``: where a large one goes, None for the system's own place."""
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(directory) if directory else None)  # noqa: SIM115 (close() is ours)
        self._sizes: list[int] = []

    def add(self, piece: bytes) -> None:
        """Raises OSError."""
        self._file.write(piece)
        self._sizes.append(len(piece))

    def write_to(self, write: Callable[[bytes], object]) -> None:
        end = sum(self._sizes)
        for size in reversed(self._sizes):
            self._file.seek(end - size)
            left = size
            while left and (block := self._file.read(min(BLOCK, left))):
                write(block)
                left -= len(block)
            end -= size

    def close(self) -> None:
        self._file.close()
