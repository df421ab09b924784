"""The models that can be named: known Claude models, the embedded one, and any other id, which passes through."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agentd.config import Settings
from agentd.core.exchange import ModelTraits
from agentd.core.prices import PriceTable
from agentd.models import claude
from agentd.models.api import Model
from agentd.models.claude import ClaudeModel, Clients
from agentd.models.credentials import Credentials
from agentd.models.local import LOCAL_ID, LOCAL_TRAITS, LocalModel
from agentd.models.messages import thinks_adaptively
from agentd.protocol import ModelInfo

LOCAL_ALIAS: Final = "local"
DEFAULT_CLAUDE: Final = "claude-sonnet-5-5"
_CAREFUL_WINDOW: Final = 200_000
_CAREFUL_OUTPUT: Final = 8192

# Id, name, window and longest reply in thousands of tokens: the models overview of October 2026. The ids are in the
# SDK's own list, which a test compares.
_CLAUDE: Final = (
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", 1000, 128),
    ("claude-opus-5-5", "Claude Opus 5.5", 1000, 128),
    ("claude-haiku-5-5", "Claude Haiku 5.5", 1000, 128),
    ("claude-fable-5-2", "Claude Fable 5.2", 1000, 128),
    ("claude-fable-5-1", "Claude Fable 5.1", 1000, 128),
    ("claude-sonnet-5", "Claude Sonnet 5", 1000, 128),
    ("claude-opus-5", "Claude Opus 5", 1000, 128),
    ("claude-opus-4-8", "Claude Opus 4.8", 1000, 128),
    ("claude-opus-4-7", "Claude Opus 4.7", 1000, 128),
    ("claude-opus-4-6", "Claude Opus 4.6", 1000, 128),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6", 1000, 64),
    ("claude-haiku-4-5", "Claude Haiku 4.5", 200, 64),
)
KNOWN: Final = {model_id: (name, window * 1000, output * 1000) for model_id, name, window, output in _CLAUDE}


class ModelCatalog:
    """All models of one daemon. ``data_dir`` holds the embedded model's weights and, without a keyring, the key."""

    def __init__(self, settings: Settings, data_dir: Path) -> None:
        self._settings = settings
        self._prices = PriceTable(settings.prices)
        self._learned: dict[str, int] = {}
        self._clients = Clients()
        self._local = LocalModel(settings, data_dir)
        self.credentials: Final = Credentials(settings, data_dir)

    async def default(self, environment: Mapping[str, str]) -> str:
        if self.presumed(environment) == LOCAL_ID and self._settings.model is None:
            await self.credentials.refresh()
        return self.presumed(environment)

    def presumed(self, environment: Mapping[str, str]) -> str:
        if self._settings.model:
            return _resolve(self._settings.model)
        known = self._settings.base_url is not None or self.credentials.known(environment)
        return DEFAULT_CLAUDE if known else LOCAL_ID

    def traits(self, model_id: str) -> ModelTraits:
        model_id = _resolve(model_id)
        if model_id == LOCAL_ID:
            return LOCAL_TRAITS
        _, window, output = KNOWN.get(model_id, (model_id, _CAREFUL_WINDOW, 0))
        window = self._settings.context_windows.get(model_id, window)
        window = min(window, self._learned.get(model_id, window))
        return ModelTraits(
            id=model_id,
            provider=self._provider,
            context_window=window,
            # Of a stranger the user may know better than we do.
            max_output=output or max(_CAREFUL_OUTPUT, self._settings.max_tokens),
            thinking=model_id.startswith("claude-"),
            thinking_first=not thinks_adaptively(model_id),
        )

    def learn_window(self, model_id: str, tokens: int) -> None:
        self._learned[model_id] = min(tokens, self._learned.get(model_id, tokens))

    def find(self, model_id: str) -> Model:
        if _resolve(model_id) == LOCAL_ID:
            return self._local
        return ClaudeModel(self.traits(model_id), self._settings, self.credentials, self._clients)

    def list(self, environment: Mapping[str, str]) -> tuple[ModelInfo, ...]:
        """Known models, what the settings name, and the embedded one, each with the reason why it cannot be used."""
        has_key = self._settings.base_url is not None or self.credentials.known(environment)
        reason = None if has_key else "No API key: set ANTHROPIC_API_KEY, or keep one with `agentd key set`."
        ids = list(KNOWN)
        if self._settings.model and _resolve(self._settings.model) not in (*ids, LOCAL_ID):
            ids.insert(0, self._settings.model)
        remote = [self._info(self.traits(model_id), KNOWN.get(model_id, (model_id,))[0], reason) for model_id in ids]
        embedded = self._info(
            LOCAL_TRAITS, "SmolLM2 135M (built in, demonstration quality, chat only)", self._local.missing()
        )
        return (*remote, embedded)

    async def set_key(self, provider: str, key: str) -> None:
        await self.credentials.set(provider, key)

    async def warm(self) -> None:
        """Import the SDK and look into the keyring, both off the loop. Never raises for a source that is broken."""
        await claude.warm()
        await self.credentials.refresh()

    async def close(self) -> None:
        await self._local.close()
        await self.credentials.close()
        await self._clients.close()

    @property
    def _provider(self) -> str:
        return "messages" if self._settings.base_url else "anthropic"

    def _info(self, traits: ModelTraits, name: str, reason: str | None) -> ModelInfo:
        return ModelInfo(
            id=traits.id,
            provider=traits.provider,
            name=name,
            context_window=traits.context_window,
            available=reason is None,
            reason=reason,
            price=self._prices.price(traits.id, traits.provider),
        )


def _resolve(model_id: str) -> str:
    return LOCAL_ID if model_id == LOCAL_ALIAS else model_id
