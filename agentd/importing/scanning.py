"""Looking for other programs' transcripts of one project: the beginning of each file, no more, newest first.

Blocking: in a worker. Links are not followed, and nothing is written.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentd import clock
from agentd.importing import files, glimpse
from agentd.importing.glimpse import Glimpse
from agentd.importing.problems import Problems
from agentd.protocol import Found, ImportFormat, ScanResult

MOST_FILES = 100_000
MOST_FOUND = 2_000
DEEPEST = 5
_SLUG = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: the project's root, and the directories of the other programs."""

    root: Path
    claude: Path
    codex: Path
    amplifier: Path


def places(environment: Mapping[str, str], root: str) -> Places:
    """From the asking client's environment if that says where its home is, else from the daemon's."""
    known = environment if environment.get("HOME") else os.environ

    def said(name: str) -> str | None:
        value = known.get(name)
        return value if value and value.startswith("/") else None

    home = Path(said("HOME") or Path.home())
    claude = Path(said("CLAUDE_CONFIG_DIR") or home / ".claude")
    codex = Path(said("CODEX_HOME") or home / ".codex")
    return Places(Path(root), claude / "projects", codex / "sessions", home / ".amplifier" / "projects")


@dataclass(frozen=True, slots=True)
class _Seen:
    path: Path
    modified: float
    size: int
    format: ImportFormat


def scan(where: Places, known: Mapping[tuple[str, str], str]) -> ScanResult:
    """``known``: the session that was made of a program's session, by format and id."""
    problems = Problems()
    seen = sorted(_candidates(where, problems), key=lambda one: one.modified, reverse=True)
    found: list[Found] = []
    for one in seen:
        glance = _glimpse(one, where.root)
        if glance is None:
            continue
        if len(found) >= MOST_FOUND:
            problems.note(f"Only the newest {MOST_FOUND:,} are listed.")
            break
        active = clock.rfc3339(datetime.fromtimestamp(one.modified, UTC))
        imported = known.get((one.format, glance.id))
        found.append(
            Found(
                uri=one.path.as_uri(), format=one.format, title=glance.title, last_active=active, bytes=one.size,
                imported=imported,
            )
        )  # fmt: skip
    return ScanResult(found=tuple(found), problems=problems.texts)


def _candidates(where: Places, problems: Problems) -> Iterator[_Seen]:
    root = where.root
    yield from _files(where.claude, "claude-code", _is_claude, problems)
    yield from _files(where.codex, "codex", _is_rollout, problems)
    yield from _files(root / ".agenix", "agenix", lambda name: name.endswith((".json", ".jsonl")), problems)
    yield from _files(root / "agentry" / "session_history", "agentry", lambda name: name.endswith(".toon"), problems)
    yield from _directories(root / ".amazonq" / "sessions", "amazonq")
    slug = str(root).replace("/", "-").replace("\\", "-").replace(":", "")
    for name in dict.fromkeys((slug if slug.startswith("-") else f"-{slug}", _SLUG.sub("-", str(root)))):
        yield from _directories(where.amplifier / name / "sessions", "amplifier")


def _is_claude(name: str) -> bool:
    return name.endswith(".jsonl") and not name.startswith("agent-")


def _is_rollout(name: str) -> bool:
    return name.startswith("rollout-") and name.endswith(".jsonl")


def _files(
    directory: Path, kind: ImportFormat, wanted: Callable[[str], bool], problems: Problems, deepest: int = DEEPEST
) -> Iterator[_Seen]:
    waiting = [(str(directory), deepest)]
    count = 0
    while waiting:
        place, left = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    count += 1
                    if count > MOST_FILES:
                        problems.note(f"{directory} holds more than {MOST_FILES:,} files: the rest was not looked at.")
                        return
                    if entry.is_dir(follow_symlinks=False):
                        if left > 0 and entry.name != "subagents":
                            waiting.append((entry.path, left - 1))
                    elif wanted(entry.name) and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        yield _Seen(Path(entry.path), status.st_mtime, status.st_size, kind)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.note(f"{place} cannot be read: {error.strerror}")


def _directories(directory: Path, kind: ImportFormat) -> Iterator[_Seen]:
    """Sessions that are directories, by their metadata."""
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for name in names:
        path = directory / name
        try:
            modified = max(status.st_mtime for status in _statuses(path))
            size = sum(status.st_size for status in _statuses(path))
        except (OSError, ValueError):
            continue
        yield _Seen(path, modified, size, kind)


def _statuses(path: Path) -> list[os.stat_result]:
    return [(path / name).lstat() for name in files.names_in(path)]


def _glimpse(one: _Seen, root: Path) -> Glimpse | None:
    match one.format:
        case "claude-code":
            return glimpse.claude(one.path, str(root))
        case "codex":
            return glimpse.codex(one.path, str(root))
        case "amplifier" | "amazonq":
            return glimpse.directory(one.path)
        case _:
            return glimpse.messages(one.path)
