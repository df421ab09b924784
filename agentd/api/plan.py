"""A mount plan: which modules a session is made of, checked. Mounts nothing."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentd.errors import InvalidParams

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ModuleSpec(BaseModel):
    """A module by its name. ``source`` is where it can be installed from: it is never downloaded, only told."""

    model_config = _STRICT

    module: str = Field(min_length=1)
    source: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)


class SessionSpec(BaseModel):
    """``orchestrator`` and ``context``: a module, or its name. ``profile``: of a new session; ``name`` likewise."""

    model_config = _STRICT

    orchestrator: ModuleSpec = ModuleSpec(module="loop-basic")
    context: ModuleSpec = ModuleSpec(module="context-simple")
    profile: str | None = None
    name: str | None = None

    @field_validator("orchestrator", "context", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"module": value} if isinstance(value, str) else value


class MountPlan(BaseModel):
    """``providers``: the first one's model is used, the daemon's default when there is none.

    ``agents``: configuration by agent, laid over the parent's in a child session whose ``session.profile`` names one.
    """

    model_config = _STRICT

    session: SessionSpec = SessionSpec()
    providers: tuple[ModuleSpec, ...] = ()
    tools: tuple[ModuleSpec, ...] = ()
    hooks: tuple[ModuleSpec, ...] = Field(default=(), max_length=0)
    agents: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read_plan(config: Mapping[str, Any] | None) -> MountPlan:
    """Raises InvalidParams that names each wrong key and, for an unknown one, those that are known."""
    if config is not None and not isinstance(config, Mapping):
        raise InvalidParams("config: a mount plan is a mapping with session, providers and tools")
    try:
        return MountPlan.model_validate(dict(config or {}))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidParams("; ".join(_told(one["loc"], one["type"], one["msg"]) for one in wrong)) from None


def _told(place: tuple[int | str, ...], kind: str, message: str) -> str:
    path = ".".join(["config", *map(str, place)])
    if kind == "extra_forbidden":
        parts = [part for part in place[:-1] if isinstance(part, str)]
        last = parts[-1] if parts else ""
        model = MountPlan if not parts else SessionSpec if last == "session" else ModuleSpec
        return f"{path}: there is no such key; known: {', '.join(model.model_fields)}"
    if kind == "too_long":
        return f"{path}: this version has no {place[-1]}; leave it empty"
    return f"{path}: {message}"
