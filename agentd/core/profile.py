"""A profile, which is an agent too: the front matter and body of ``agents/NAME.md``, as values. Pure.

The body is the system prompt. Reading the files is ``profiles.py``'s.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentd.protocol import Mode, ProfileInfo

NAME = re.compile(r"[a-z0-9-]{1,32}")
FENCE = "---"


class Profile(BaseModel):
    """What ``agents/NAME.md`` says. ``system``, its body, takes the place of our own system prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str = Field(pattern=f"^{NAME.pattern}$")
    description: str = ""
    model: str | None = Field(default=None, min_length=1)
    mode: Mode | None = None
    tools: tuple[str, ...] | None = None
    system: str = ""
    source: str = ""

    @property
    def info(self) -> ProfileInfo:
        """As clients see it."""
        return ProfileInfo(**self.model_dump(exclude={"system"}))

    @property
    def overlay(self) -> dict[str, Any]:
        """What it changes of the configuration of a session that it is laid over, as the session keeps it."""
        return self.model_dump(mode="json", exclude={"source"}, exclude_none=True)


def split(text: str) -> tuple[str | None, str]:
    """The front matter's YAML (None: there is none) and the body. Raises ValueError for one without an end."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != FENCE:
        return None, text.removeprefix("\ufeff").strip()
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == FENCE:
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    raise ValueError(f"the front matter has no second {FENCE} line")


def profile(name: str, source: str, fields: Mapping[str, Any], body: str) -> Profile:
    """The profile. ``name`` is the file's; the front matter may repeat it. Raises ValueError with what is wrong."""
    if not NAME.fullmatch(name):
        raise ValueError("a profile's name has 1 to 32 of a-z, 0-9 and -")
    values = {key: value for key, value in fields.items() if value is not None}
    if isinstance(tools := values.get("tools"), str):
        values["tools"] = [tool.strip() for tool in tools.split(",") if tool.strip()]
    if values.pop("name", name) != name:
        raise ValueError("its name is not the file's name")
    known = set(Profile.model_fields) - {"name", "system", "source"}
    if unknown := sorted(str(key) for key in values.keys() - known):
        raise ValueError(f"{', '.join(unknown)}: no such setting; known: {', '.join(sorted(known))}")
    try:
        return Profile(name=name, source=source, system=body, **values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in wrong['loc'])}: {wrong['msg']}") from error
