"""From a mount plan to what runs it: its modules, and a client of the daemon or of a workspace in this process."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentd import config, paths
from agentd.api.builtin import HostedProvider, with_limits
from agentd.api.failures import ModuleFailed
from agentd.api.inprocess import InProcessClient
from agentd.api.loading import CONTEXTS, MODELS, ORCHESTRATORS, TOOLS, load
from agentd.api.locking import Held
from agentd.api.modules import ContextModule, ModelProvider, ModuleLoader, Orchestrator, Tool
from agentd.api.plan import ModuleSpec, MountPlan
from agentd.api.provided import ProvidedModels
from agentd.client.dial import Address
from agentd.client.typed import Client
from agentd.errors import InvalidParams
from agentd.models.api import Catalog
from agentd.models.catalog import ModelCatalog
from agentd.store import FileStore
from agentd.store.api import Store
from agentd.store.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class Mounted:
    """A plan's modules. ``hosted``: the daemon's provider that was named; ``providers``: the caller's own."""

    orchestrator: Orchestrator
    context: ContextModule
    hosted: HostedProvider | None = None
    providers: tuple[ModelProvider, ...] = ()

    @property
    def model(self) -> str | None:
        """The id of the model that the plan names; None: the default."""
        if self.providers:
            return self.providers[0].models[0].traits.id
        return self.hosted.model if self.hosted is not None else None


def mount(plan: MountPlan, loader: ModuleLoader | None) -> Mounted:
    """Make every module of the plan. Raises UnknownModule, ModuleFailed, and InvalidParams for tools, not run yet."""
    orchestrator = load(ORCHESTRATORS, plan.session.orchestrator, loader)
    if not isinstance(orchestrator, Orchestrator):
        raise _lacking(plan.session.orchestrator, "an Orchestrator: it needs execute")
    context = load(CONTEXTS, plan.session.context, loader)
    if not isinstance(context, ContextModule):
        raise _lacking(plan.session.context, "a ContextModule: it needs gather")
    own: list[ModelProvider] = []
    hosted: list[HostedProvider] = []
    for spec in plan.providers:
        provider = load(MODELS, spec, loader)
        if isinstance(provider, HostedProvider):
            hosted.append(provider)
        elif isinstance(provider, ModelProvider) and provider.models:
            own.append(provider)
        else:
            raise _lacking(spec, "a ModelProvider: it needs close, and models, at least one")
    names = [_tool(spec, loader).name for spec in plan.tools]
    if names:
        told = ", ".join(names)
        raise InvalidParams(f"config.tools: {told}: found, but this version runs no tools yet; leave tools empty")
    if own and hosted:
        raise InvalidParams("config.providers: models of one's own and the daemon's do not go together in one session")
    return Mounted(orchestrator, context, hosted[0] if hosted else None, tuple(own))


async def connected_client(root: Path, mounted: Mounted, store: Store | None, *, own: bool = False) -> Client:
    """A client that is connected. ``own``: in this process, whatever the plan says."""
    if store is None and not own and not mounted.providers:
        return await daemon_client(root, mounted.hosted)
    settings, _ = config.load()
    hosted = mounted.hosted or HostedProvider()
    settings = with_limits(settings, hosted.limits)
    models: Catalog = (
        ProvidedModels(mounted.providers)
        if mounted.providers
        else ModelCatalog(settings, Path(paths.data_dir(os.environ)))
    )
    lock = await asyncio.to_thread(Held, Path(store.location), make=True) if isinstance(store, FileStore) else None
    client = InProcessClient(
        root, MemoryStore() if store is None else store, models, settings, hosted.environment, lock
    )
    await client.reconnect()
    return client


async def daemon_client(root: Path, hosted: HostedProvider | None = None) -> Client:
    """A client of the root's daemon. Raises DaemonUnavailable."""
    if hosted is not None and hosted.limits:
        named = ", ".join(hosted.limits)
        raise InvalidParams(
            f"provider-anthropic: config.{named}: the daemon's sessions have the user's settings (config.toml); "
            "a session in this process, with a store, can have its own"
        )
    environment: Mapping[str, str] | None = hosted.environment if hosted is not None else None
    client = Client(Address(root, environment=environment))
    await client.reconnect()
    return client


def _tool(spec: ModuleSpec, loader: ModuleLoader | None) -> Tool:
    tool = load(TOOLS, spec, loader)
    if not isinstance(tool, Tool):
        raise _lacking(spec, "a Tool: it needs name, description, input_schema and execute")
    return tool


def _lacking(spec: ModuleSpec, what: str) -> ModuleFailed:
    return ModuleFailed(f"Module '{spec.module}' is not {what}")
