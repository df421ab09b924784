"""Other projects' sessions, read by a daemon that is not theirs: nothing is written there, and no lock is taken.

Blocking: call from a worker. Their index is used as it stands if it was left whole and nothing came, went or changed
since; else one is made for a while (``shadows``). Raises OSError for a project that cannot be read,
and Unready for one that is being read.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from agentd.core.places import Place
from agentd.core.words import Term
from agentd.protocol import ListParams, ListStatus
from agentd.store.files import Files
from agentd.store.finding import Matches, Selection
from agentd.store.identity import PROJECT
from agentd.store.index import listing, reading, searching
from agentd.store.index.database import NAME, read_only
from agentd.store.index.snippets import read_back
from agentd.store.shadows import Shadows, Unready, sessions_in, stamps
from agentd.store.transcript import segment_name

__all__ = ["Unready", "page", "projects", "root_of", "search"]

T = TypeVar("T")
SECONDS = 5.0
"""What SQLite may take for one question: a file can be made so that it takes for ever."""
_STEPS = 100_000
_shadows = Shadows()
"""One for the process, as its bounds are the process's: it holds nothing that is not on disk."""


def projects(own: Path) -> list[Path]:
    """The directories of the other projects beside this one: one of each, by whatever names it is linked."""
    found: dict[Path, Path] = {}
    here = own.resolve()
    with suppress(OSError):
        for place in sorted(own.parent.iterdir()):
            with suppress(OSError, RuntimeError):
                real = place.resolve(strict=True)
                if real != here and (real / "sessions").is_dir() and (real not in found or place == real):
                    found[real] = place
    return sorted(found.values())


def root_of(directory: Path) -> str | None:
    """The workspace root of a project's directory, as its ``project.json`` says."""
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(Files().small_file(directory / PROJECT, 1 << 16))
        if isinstance(said, dict) and isinstance(root := said.get("root"), str):
            return root
    return None


def page(directory: Path, asked: ListParams) -> Selection:
    """See ``SessionIndex.page``."""
    return _ask(directory, lambda index: listing.page(index, asked, ()), texts=False)


def search(directory: Path, terms: Sequence[Term], status: ListStatus, limit: int, after: Place | None) -> Matches:
    """See ``SessionIndex.search``."""
    found = _ask(directory, lambda index: searching.search(index, terms, status, limit, after), texts=True)
    hits, _ = read_back(Files(), directory / "sessions", found.matches, terms)
    return Matches(tuple(hits), found.more)


def _ask(directory: Path, work: Callable[[sqlite3.Connection], T], *, texts: bool) -> T:
    files = Files()
    before = stamps(files, directory)
    index = read_only(directory / NAME)
    if index is not None:
        with closing(index), suppress(sqlite3.Error):
            if _in_step(index, files, directory) and not (texts and _behind(index, files, directory)):
                answer = _limited(index, work)
                # No lock was taken: a daemon may have begun there and written.
                if stamps(files, directory) == before:
                    return answer
    try:
        return _shadows.ask(directory, lambda index: _limited(index, work), texts=texts)
    except sqlite3.OperationalError:
        raise OSError(0, "it takes too long to read") from None
    except sqlite3.Error:
        raise OSError(0, "its index could not be made") from None


def _limited(index: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    until = time.monotonic() + SECONDS
    index.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        return work(index)
    finally:
        index.set_progress_handler(None, 0)


def _in_step(connection: sqlite3.Connection, files: Files, directory: Path) -> bool:
    known = dict(reading.all_known(connection))
    if known.keys() != set(sessions_in(files, directory)):
        return False
    sessions = directory / "sessions"
    changed, _ = reading.changed(files, sessions, list(known.items()), _nobody, seconds=float("inf"))
    return not changed


def _behind(connection: sqlite3.Connection, files: Files, directory: Path) -> bool:
    """Whether a transcript says more: a daemon that ends does not wait until all of them are read."""
    for session_id, read in connection.execute("SELECT id, log_stamp FROM sessions"):
        last, _, stamp = (read.split() or [f"0={reading.MISSING}"])[-1].partition("@")[0].partition("=")
        if reading.stamp(files, directory / "sessions" / session_id / segment_name(int(last))) != stamp:
            return True
    return False


def _nobody(session_id: str) -> bool:
    """No session of a project without a daemon is held by one."""
    return False
