"""Finding modules: the caller's loader first, then the entry points of installed packages. Never downloads anything."""

import shlex
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from agentd.api.builtin import BUILTIN
from agentd.api.failures import ModuleFailed, UnknownModule
from agentd.api.modules import ModuleFactory, ModuleLoader
from agentd.api.plan import ModuleSpec
from agentd.errors import AgentdError

ORCHESTRATORS: Final = "agentd.orchestrators"
CONTEXTS: Final = "agentd.contexts"
MODELS: Final = "agentd.models"
TOOLS: Final = "agentd.tools"


def known(group: str) -> Mapping[str, EntryPoint]:
    """The modules of installed packages, by name."""
    return {point.name: point for point in entry_points(group=group)}


def load(group: str, spec: ModuleSpec, loader: ModuleLoader | None) -> object:
    """The module, made with its config. Raises UnknownModule or ModuleFailed, and what its factory says is wrong."""
    factory = loader.load(group, spec.module, spec.source) if loader is not None else None
    if factory is None:
        factory = _installed(group, spec)
    try:
        return factory(spec.config)
    except AgentdError:
        raise
    except Exception as error:
        raise ModuleFailed(f"Module '{spec.module}' could not be made: {type(error).__name__}: {error}") from error


def _installed(group: str, spec: ModuleSpec) -> ModuleFactory:
    if spec.module in BUILTIN[group]:
        return BUILTIN[group][spec.module]
    found = known(group)
    if spec.module not in found:
        raise UnknownModule(_unknown(group, spec, sorted({*found, *BUILTIN[group]})))
    try:
        factory = found[spec.module].load()
    except Exception as error:
        raise ModuleFailed(f"Module '{spec.module}' cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise ModuleFailed(f"Module '{spec.module}' is no factory: {found[spec.module].value} cannot be called")
    return factory  # type: ignore[no-any-return]


def _unknown(group: str, spec: ModuleSpec, names: list[str]) -> str:
    kind = group.removeprefix("agentd.")
    words = f"There is no module '{spec.module}' among the {kind}; known: {', '.join(names) or 'none'}."
    if spec.source is None:
        return f"{words} A package offers one by an entry point in the group {group}."
    printable = "".join(char for char in spec.source if char.isprintable())
    return f"{words} Nothing is downloaded by itself. To install it: pip install {shlex.quote(printable)}"
