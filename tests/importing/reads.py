"""What an import makes of a file, as plain values: the whole way from its bytes to the records, without a daemon."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

from agentd.core.fold import fold_turns
from agentd.core.metadata import Metadata
from agentd.core.records import Draft, Record
from agentd.importing.counting import Target
from agentd.importing.making import made
from agentd.importing.opening import read_path
from agentd.importing.reading import Reading
from agentd.protocol import ImportFormat, Turn
from agentd.store import lines

BASE = Metadata(
    id="00000000-0000-4000-8000-000000000000", created="2026-11-21T00:00:00.000Z",
    last_active="2026-11-21T00:00:00.000Z", model="claude-sonnet-5-5", provider="anthropic", working_dir="/project",
)  # fmt: skip
MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5")


def read(path: Path, wanted: ImportFormat | None = None) -> "Result":
    """Raises ImportFailed."""
    with ExitStack() as stack:
        return drawn(read_path(path, wanted, lambda: False, stack))


def drawn(reading: Reading) -> "Result":
    blobs: list[bytes] = []

    def keep(data: bytes) -> str:
        blobs.append(data)
        return sha256(data).hexdigest()

    target = Target(keep, BASE.created)
    drafts = list(reading.drafts(target))
    metadata = made(BASE, reading, target.counts, None, MODELS)
    return Result(reading, metadata, drafts, blobs, [drawn(child) for child in reading.children])


class Result:
    """An imported session: its records went through their lines on disk and back."""

    def __init__(
        self, reading: Reading, metadata: Metadata, drafts: Sequence[Draft], blobs: Sequence[bytes],
        children: "Sequence[Result]",
    ) -> None:  # fmt: skip
        self.reading = reading
        self.metadata = metadata
        self.blobs = blobs
        self.children = children
        written = [lines.record_line(seq, lines.fragment(draft, BASE.created)) for seq, draft in enumerate(drafts, 1)]
        parsed = [lines.parse(line.rstrip(b"\n")) for line in written]
        self.records: list[Record] = [record for record in parsed if record is not None]
        assert len(self.records) == len(drafts), "a record cannot be read back"
        assert not any(record.flagged for record in self.records)

    @property
    def turns(self) -> tuple[Turn, ...]:
        return fold_turns(self.records)

    @property
    def system(self) -> tuple[str, ...]:
        return tuple(record.body["text"] for record in self.records if record.kind == "system")

    @property
    def summary(self) -> str | None:
        return next((r.body["summary"] for r in reversed(self.records) if r.kind == "mark"), None)

    @property
    def floor(self) -> int:
        """The last turn that a summary stands in for."""
        return max((record.body["through"] for record in self.records if record.kind == "mark"), default=0)

    def dump(self) -> dict[str, Any]:
        """All that a person would compare; without what is the same for all."""
        known = json.loads(self.metadata.dump_json())
        for same in ("id", "version", "status", "provider", "mode", "config", "agent_overlay"):
            if same != "status" or known.get("status") == "active":
                known.pop(same, None)
        shown: dict[str, Any] = {
            "format": self.reading.format,
            "metadata": known,
            "warnings": list(self.reading.problems.texts),
            "system": list(self.system),
            "marks": [dict(record.body) for record in self.records if record.kind == "mark"],
            "turns": [turn.dump() for turn in self.turns],
            "blobs": [len(blob) for blob in self.blobs],
            "documents": {name: data.decode() for name, data in self.reading.documents.items()},
            "children": [child.dump() for child in self.children],
        }
        return {key: value for key, value in shown.items() if value}
