"""The embedded model: small, built in, for a first chat without a key. Chat only, and of demonstration quality.

It is a child process that speaks the Messages API on a Unix socket, so that Claude's adapter serves it too.
"""

import importlib.util
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

from agentd.config import Settings
from agentd.core.exchange import ModelEvent, ModelTraits, Request
from agentd.errors import ModelFailed, ModelUnavailable
from agentd.models import weights
from agentd.models.child import Child, Serving
from agentd.models.claude import converse, sdk_client, warm
from agentd.models.faults import Where

LOCAL_ID: Final = "smollm2-135m"
LOCAL_TRAITS: Final = ModelTraits(
    id=LOCAL_ID,
    provider="local",
    context_window=1024,
    max_output=256,
    tools=False,
    thinking=False,
    embedded=True,
    cache=False,
)
_AT_ONCE: Final = 2
_DEATH_SECONDS: Final = 1.0
_NO_WEIGHTS: Final = "The built-in model is not on this machine yet: `agentd model install` fetches it (93 MB, once)."


class LocalModel:
    """The embedded model of one daemon: one process for all sessions, which ``close`` ends."""

    def __init__(self, settings: Settings, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._child = Child((LOCAL_ID, str(LOCAL_TRAITS.context_window), str(_AT_ONCE)))

    @property
    def traits(self) -> ModelTraits:
        return LOCAL_TRAITS

    @property
    def pid(self) -> int | None:
        """The process, for status and doctor; None while there is none."""
        serving = self._child.now
        return None if serving is None else serving.pid

    @property
    def socket(self) -> Path | None:
        serving = self._child.now
        return None if serving is None else serving.socket

    def missing(self) -> str | None:
        """In words what must be installed before it can run; None: nothing."""
        if importlib.util.find_spec("xllamacpp") is None:
            return (
                "The built-in model's program is not installed: install agentd-lsp[local] into agentd's environment, "
                "or use Claude (`agentd key set`)."
            )
        return None if weights.present(self._data_dir) else _NO_WEIGHTS

    async def stream(self, request: Request, environment: Mapping[str, str]) -> AsyncGenerator[ModelEvent]:
        """As ``models.api.Model`` has it; the environment has no bearing on it."""
        del environment
        if (missing := self.missing()) is not None:
            raise ModelUnavailable(missing)
        if (path := await weights.find(self._data_dir)) is None:
            raise ModelUnavailable(_NO_WEIGHTS)
        await warm()
        serving = await self._child.serving(path)
        where = Where(LOCAL_ID, "the built-in model", "", serving.key)
        try:
            async with aclosing(_ask(serving, request, self._settings.stall_seconds, where)) as events:
                async for event in events:
                    yield event
        except ModelFailed as failure:
            if failure.reason not in ("network", "cutOff") or not await self._child.died(_DEATH_SECONDS):
                raise
            said = self._child.last_words
            raise ModelFailed(
                f"The built-in model's process ended{': ' + said if said else ''}. It is started again when asked.",
                "server",
                retryable=True,
            ) from failure

    async def close(self) -> None:
        await self._child.stop()


async def _ask(serving: Serving, request: Request, stall: float, where: Where) -> AsyncGenerator[ModelEvent]:
    import httpx2

    client = sdk_client(
        "http://localhost",
        httpx2.AsyncHTTPTransport(uds=str(serving.socket), verify=False),
        serving.key,
        # Its server drops kept-alive connections now and then; a new one on a Unix socket costs nothing.
        headers={"Connection": "close"},
    )
    try:
        async with aclosing(converse(client, request, LOCAL_TRAITS, stall, where)) as events:
            async for event in events:
                yield event
    finally:
        await client.close()
