"""The user's settings: ``config.toml`` in the user's configuration directory.

Nothing in a workspace is read here: endpoint, key and programs come from the user alone. A wrong setting never stops
the daemon: it is named in ``problems`` (shown by status and doctor) and its default is used.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentd.protocol import Mode, Price

CONFIG_FILE = "config.toml"
DEFAULTS = "All settings have their defaults until it is mended."


class Settings(BaseModel):
    """All settings with their defaults.

    ``model``: id for new sessions (default: Claude with a key, else the embedded one). ``base_url``: endpoint that
    speaks the Messages API. ``api_key_command``: argv whose first line of output is the key. ``mode``: of new
    sessions. ``idle_minutes``: the daemon ends after this long with nobody attached and no turn. ``max_tokens``: the
    longest reply. ``retries``: how often a model call that failed before its first word is tried again, the first time
    after ``retry_seconds``. ``stall_seconds``: a model that says nothing for this long is given up. ``prices``: of
    models, by id, over the public ones. ``naming``: who names a session after its first turn: its ``model``, the
    prompt's ``words``, or nobody (``off``). ``compact_at``: earlier turns are summarised when the conversation fills
    this part of the model's window (1: never by itself). ``context_windows``: of models, by id, in tokens, where an
    endpoint's are other ones than are known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, min_length=1)
    base_url: str | None = Field(default=None, min_length=1)
    api_key_command: tuple[str, ...] = ()
    mode: Mode = "ask"
    idle_minutes: float = Field(default=10.0, gt=0)
    max_tokens: int = Field(default=8192, ge=1)
    thinking: int | None = Field(default=None, ge=1024)
    retries: int = Field(default=4, ge=0, le=20)
    retry_seconds: float = Field(default=1.0, gt=0)
    stall_seconds: float = Field(default=75.0, gt=0)
    prices: dict[str, Price] = Field(default_factory=dict)
    naming: Literal["model", "words", "off"] = "model"
    context_windows: dict[str, Annotated[int, Field(ge=1024)]] = Field(default_factory=dict)
    compact_at: float = Field(default=0.8, gt=0, le=1)


def config_dir() -> Path:
    """The user's configuration directory: ``config.toml``, ``agents/``, ``prompts/``."""
    return Path(platformdirs.user_config_dir("agentd", appauthor=False))


def load(directory: Path | None = None) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and in words what was wrong with the file. Never raises."""
    path = (directory or config_dir()) / CONFIG_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Settings(), ()
    except OSError as error:
        return Settings(), (f"{path}: {error.strerror or error}. {DEFAULTS}",)
    except (ValueError, RecursionError) as error:  # TOML's and Unicode's own, and a number with thousands of digits
        return Settings(), (f"{path}: {error}. {DEFAULTS}",)
    return _checked(values, path)


def _checked(values: dict[str, Any], path: Path) -> tuple[Settings, tuple[str, ...]]:
    """Wrong settings are left out one by one, so that one mistake costs one setting."""
    problems: list[str] = []
    while True:
        try:
            return Settings.model_validate(values), tuple(problems)
        except ValidationError as error:
            for wrong in error.errors(include_url=False, include_input=False):
                name = str(wrong["loc"][0])
                table = values.get(name)
                if len(wrong["loc"]) > 1 and isinstance(table, dict) and wrong["loc"][1] in table:
                    # Of a table of models, one wrong row costs that row.
                    row = wrong["loc"][1]
                    problems.append(f"{path}: {name}.{row}: {wrong['msg']}")
                    values[name] = {key: value for key, value in table.items() if key != row}
                elif name in values:
                    known = name in Settings.model_fields
                    reason = wrong["msg"] if known else f"no such setting; known: {', '.join(Settings.model_fields)}"
                    problems.append(f"{path}: {name}: {reason}")
                    del values[name]
