"""Models of the caller's own, as the catalog that a workspace asks."""

from collections.abc import Mapping, Sequence
from typing import Final

from agentd.api.modules import ModelProvider
from agentd.core.exchange import ModelTraits
from agentd.errors import InvalidParams, ModelUnavailable
from agentd.models.api import Model
from agentd.protocol import ModelInfo

_CAREFUL_WINDOW: Final = 200_000
_CAREFUL_OUTPUT: Final = 8192


class OneModel:
    """A single model as a provider."""

    def __init__(self, model: Model) -> None:
        self.models: Sequence[Model] = (model,)

    async def close(self) -> None:
        """Nothing of it is ours."""


class ProvidedModels:
    """See ``Catalog``: the models of the mounted providers, the first of them the default, and no others."""

    def __init__(self, providers: Sequence[ModelProvider]) -> None:
        self._providers = tuple(providers)
        every = [model for provider in providers for model in provider.models]
        self._models = {model.traits.id: model for model in reversed(every)}
        self._default = every[0].traits.id

    async def default(self, environment: Mapping[str, str]) -> str:
        return self._default

    def presumed(self, environment: Mapping[str, str]) -> str:
        return self._default

    def traits(self, model_id: str) -> ModelTraits:
        model = self._models.get(model_id)
        if model is not None:
            return model.traits
        return ModelTraits(model_id, "unknown", _CAREFUL_WINDOW, _CAREFUL_OUTPUT)

    def learn_window(self, model_id: str, tokens: int) -> None:
        """A provider's model says itself what it takes."""

    def find(self, model_id: str) -> Model:
        if model_id not in self._models:
            raise ModelUnavailable(
                f"The model '{model_id}' is offered by no mounted provider; they offer {', '.join(self._models)}."
            )
        return self._models[model_id]

    def list(self, environment: Mapping[str, str]) -> tuple[ModelInfo, ...]:
        return tuple(
            ModelInfo(id=name, provider=model.traits.provider, name=name, context_window=model.traits.context_window)
            for name, model in self._models.items()
        )

    async def set_key(self, provider: str, key: str) -> None:
        raise InvalidParams(f"provider: '{provider}' keeps no key here")

    async def warm(self) -> None:
        """The caller's models are there already."""

    async def close(self) -> None:
        for provider in self._providers:
            await provider.close()
