"""The user's profiles: ``agents/*.md`` in the configuration directory, read whenever they are asked for.

Only the user's own: what a workspace brings is not interpreted. A file that is no profile costs itself, and is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

from agentd.core.profile import Profile, profile, split
from agentd.errors import InvalidParams

MOST_BYTES = 256 * 1024
MOST_FILES = 500


@dataclass(frozen=True, slots=True)
class Found:
    """The profiles by name, and in words what was wrong with the other files."""

    profiles: Mapping[str, Profile]
    problems: tuple[str, ...] = ()


class Profiles:
    """The profiles in ``directory``, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def all(self) -> Found:
        """Every profile. Never raises."""
        return await anyio.to_thread.run_sync(_read_all, self._directory)

    async def find(self, name: str) -> Profile:
        """The profile of this name. Raises InvalidParams with those that there are."""
        found = await self.all()
        if name in found.profiles:
            return found.profiles[name]
        wrong = next((problem for problem in found.problems if Path(problem.split(": ")[0]).stem == name), None)
        if wrong is not None:
            raise InvalidParams(f"profile: '{name}' cannot be used: {wrong}")
        known = ", ".join(found.profiles) or "none yet"
        raise InvalidParams(
            f"profile: there is no profile '{name}' (known: {known}). Profiles are files NAME.md in {self._directory}"
        )


def _read_all(directory: Path) -> Found:
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".md" and not path.name.startswith("."))
    except FileNotFoundError:
        return Found({})
    except OSError as error:
        return Found({}, (f"{directory}: {error.strerror or error}",))
    profiles: dict[str, Profile] = {}
    problems: list[str] = []
    if len(paths) > MOST_FILES:
        problems.append(f"{directory}: only the first {MOST_FILES} of its {len(paths)} files are read")
    for path in paths[:MOST_FILES]:
        try:
            profiles[path.stem] = _read(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
        except ValueError as error:
            problems.append(f"{path}: {error}")
    return Found(profiles, tuple(problems))


def _read(path: Path) -> Profile:
    if not path.is_file():
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 1024} KB")
    front, body = split(data.decode("utf-8"))
    return profile(path.stem, str(path), _front_matter(front) if front else {}, body)


def _front_matter(text: str) -> Mapping[str, Any]:
    import yaml

    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 2}" if where is not None else ""
        raise ValueError(f"the front matter is not valid YAML{line}") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise ValueError("the front matter must be a list of `key: value` lines")
    return {str(key): value for key, value in fields.items()}
