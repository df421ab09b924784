"""A session's files, made of records that come one after the other: no more of them in memory than a batch.

For ``FileStore.receive``, which builds aside and renames. Blocking: in a worker.
"""

from collections.abc import Iterable
from pathlib import Path

from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.store import lines
from agentd.store.blobs import put_blob
from agentd.store.files import Files, saving
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.transcript import FIRST

BATCH = 1 << 20


class SessionWriter:
    """Writes into an empty directory. Durable when ``finish`` returns. Raises StoreFailed."""

    def __init__(self, files: Files, directory: Path) -> None:
        self._files = files
        self._directory = directory

    def write(self, drafts: Iterable[Draft]) -> None:
        """The whole transcript. What drawing the records raises goes through."""
        now, seq, size = lines.now(), 0, 0
        batch: list[bytes] = []
        with saving():
            descriptor = self._files.create(self._directory / FIRST)
        try:
            for draft in drafts:
                seq += 1
                batch.append(lines.record_line(seq, lines.fragment(draft, now)))
                size += len(batch[-1])
                if size >= BATCH:
                    self._flush(descriptor, batch)
                    batch, size = [], 0
            self._flush(descriptor, batch)
            with saving():
                self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)

    def keep(self, data: bytes) -> str:
        """Keep a blob; its hash."""
        return put_blob(self._files, self._directory, data)

    def finish(self, metadata: Metadata) -> None:
        """What was counted of the records meanwhile."""
        with saving():
            self._files.write_new(self._directory / METADATA, metadata.dump_json())

    def _flush(self, descriptor: int, batch: list[bytes]) -> None:
        if batch:
            with saving():
                self._files.write(descriptor, b"".join(batch))
