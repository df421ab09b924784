"""The built-in model's first use: say what is fetched, fetch it with a progress bar, and say what it is."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentd import paths
from agentd.cli import output
from agentd.client.typed import Client
from agentd.models import weights
from agentd.protocol import ModelInfo, ModelsResult, Session

NOTICE = (
    "This is the small built-in model (SmolLM2 135M): good enough to see agentd work, not to rely on. "
    "For Claude: 'agentd key set', or ANTHROPIC_API_KEY."
)
_told = False


async def prepare(client: Client, session: Session | None, wished: str | None) -> None:
    """Before a prompt: if the built-in model will answer it, have it here, and say so once a run."""
    global _told
    if wished is None and session is not None and session.provider not in (None, "local"):
        return
    known = await client.models()
    chosen = _chosen(known, wished or (session.model if session else None) or known.default)
    if chosen is None or chosen.provider != "local":
        return
    if importlib.util.find_spec("xllamacpp") is not None:
        await fetch()
    if not _told:
        output.note(NOTICE)
        _told = True


def _chosen(known: ModelsResult, model_id: str) -> ModelInfo | None:
    for model in known.models:
        if model.id == model_id or (model_id == "local" and model.provider == "local"):
            return model
    return None


async def fetch() -> bool:
    """Fetch the weights, showing how far it is; False: they were here. Raises ModelUnavailable."""
    data = Path(paths.data_dir(os.environ))
    if await weights.find(data) is not None:
        return False
    megabytes = round(weights.DOWNLOAD_SIZE / 1e6)
    output.note(f"Fetching the built-in model SmolLM2 135M ({megabytes} MB, once) into {data / 'models'}")
    with shown_progress() as progress:
        await weights.install(data, progress)
    return True


@contextmanager
def shown_progress() -> Iterator[weights.Progress]:
    """A bar in a terminal; elsewhere a line at each quarter."""
    if not output.can_draw(sys.stderr):
        yield _Quarters().at
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Built-in model"), BarColumn(bar_width=None), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetch", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Quarters:
    """Progress for a log: few lines, each on its own."""

    def __init__(self) -> None:
        self._told = 0

    def at(self, done: int, total: int) -> None:
        quarter = 4 * done // max(1, total)
        if quarter > self._told:
            self._told = quarter
            output.note(f"{25 * quarter} % ({round(done / 1e6)} of {round(total / 1e6)} MB)")
