"""The modules that come with agentd, each by its factory. Thin: the work is the daemon's.

They are registered as entry points in ``pyproject.toml`` too, as those of any other package are; here they are found
also where agentd runs from a source tree that is not installed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentd.api.modules import ModuleFactory, TurnRunner
from agentd.config import Settings
from agentd.core.role_messages import reply_text
from agentd.errors import InvalidParams
from agentd.protocol import ContextItem

_MESSAGES_KEYS = ("model", "default_model", "api_key", "base_url", "max_tokens", "thinking")


class LoopBasic:
    """One turn for each ``execute``: the model is asked until it ends the turn, its tool calls answered in between."""

    async def execute(self, prompt: str, turns: TurnRunner) -> str:
        return reply_text(await turns.turn(prompt))


class ContextSimple:
    """The conversation is the context: nothing is added to a prompt."""

    async def gather(self, prompt: str) -> Sequence[ContextItem]:
        return ()


@dataclass(frozen=True, slots=True)
class HostedProvider:
    """A provider that the daemon has: which model, and what of key and endpoint goes with this session's prompts.

    ``limits`` are settings that only a session in this process can have for itself.
    """

    model: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)


def loop_basic(config: Mapping[str, Any]) -> LoopBasic:
    """``loop-basic``; takes no config."""
    _check("loop-basic", config, ())
    return LoopBasic()


def context_simple(config: Mapping[str, Any]) -> ContextSimple:
    """``context-simple``; takes no config."""
    _check("context-simple", config, ())
    return ContextSimple()


def provider_anthropic(config: Mapping[str, Any]) -> HostedProvider:
    """``provider-anthropic``: the Messages API, Anthropic's or that of any endpoint that speaks it.

    Config: ``model`` (or ``default_model``), ``api_key``, ``base_url`` (each: the environment's, else the user's
    settings); ``max_tokens`` of a reply and ``thinking`` (tokens, 1024 or more) in a session in this process only.
    """
    _check("provider-anthropic", config, _MESSAGES_KEYS)
    for key in ("model", "default_model", "api_key", "base_url"):
        if not isinstance(config.get(key, ""), str):
            raise InvalidParams(f"provider-anthropic: config.{key}: must be a string")
    for key in ("max_tokens", "thinking"):
        if not isinstance(config.get(key, 0), int):
            raise InvalidParams(f"provider-anthropic: config.{key}: must be a number of tokens")
    limits = {key: config[key] for key in ("max_tokens", "thinking") if key in config}
    with_limits(Settings(), limits)
    named = {"ANTHROPIC_API_KEY": config.get("api_key"), "ANTHROPIC_BASE_URL": config.get("base_url")}
    environment = {key: value for key, value in named.items() if value}
    return HostedProvider(config.get("model") or config.get("default_model"), environment, limits)


def provider_local(config: Mapping[str, Any]) -> HostedProvider:
    """``provider-local``: the embedded model, of demonstration quality; takes no config."""
    _check("provider-local", config, ("model",))
    return HostedProvider("local")


def with_limits(settings: Settings, limits: Mapping[str, int]) -> Settings:
    """The settings with these in place. Raises InvalidParams for one that makes no sense."""
    try:
        return Settings.model_validate({**settings.model_dump(), **limits})
    except ValueError:
        told = ", ".join(f"{key}={value}" for key, value in limits.items())
        raise InvalidParams(f"provider-anthropic: config: {told}: max_tokens from 1, thinking from 1024") from None


BUILTIN: Final[Mapping[str, Mapping[str, ModuleFactory]]] = {
    "agentd.orchestrators": {"loop-basic": loop_basic},
    "agentd.contexts": {"context-simple": context_simple},
    "agentd.models": {"provider-anthropic": provider_anthropic, "provider-local": provider_local},
    "agentd.tools": {},
}


def _check(module: str, config: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in config:
        if key not in keys:
            known = f"known: {', '.join(keys)}" if keys else "it takes no config"
            raise InvalidParams(f"{module}: config.{key}: there is no such key; {known}")
