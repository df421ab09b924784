"""What the turn loop asks of a model."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from agentd.core.exchange import ModelEvent, ModelTraits, Request
from agentd.protocol import ModelInfo


class Model(Protocol):
    """One model. Frozen from the caller's view; any number of turns stream from it at once."""

    @property
    def traits(self) -> ModelTraits: ...

    def stream(self, request: Request, environment: Mapping[str, str]) -> AsyncGenerator[ModelEvent]:
        """One call, without retries. Ends after ``Stopped``.

        ``environment`` is the prompting client's (key, endpoint, proxy). Raises ``ModelUnavailable`` (no key, not
        installed) before anything was asked, ``ModelFailed`` for all that goes wrong after. Cancelling the consumer
        closes the provider's connection.
        """


class Catalog(Protocol):
    """The models that can be named."""

    async def default(self, environment: Mapping[str, str]) -> str:
        """The id of the model for a new session: the user's setting, else Claude with a key, else the embedded one.

        Waits for a keyring only when nothing quicker has a key, and then once.
        """

    def presumed(self, environment: Mapping[str, str]) -> str:
        """The same, as far as is known without waiting: for showing, not for deciding."""

    def traits(self, model_id: str) -> ModelTraits:
        """Of any id: an unknown one passes through to the Messages endpoint with careful defaults."""

    def learn_window(self, model_id: str, tokens: int) -> None:
        """The model refused a request as too long: from now on its ``traits`` have this window, if that is smaller."""

    def find(self, model_id: str) -> Model:
        """The model of this id; any id passes through."""

    def list(self, environment: Mapping[str, str]) -> tuple[ModelInfo, ...]: ...

    async def set_key(self, provider: str, key: str) -> None:
        """Keep a provider's key (empty: forget it). Raises InvalidParams for an unknown provider, StoreFailed."""

    async def warm(self) -> None:
        """Import what is heavy, in a worker thread, before it is needed."""

    async def close(self) -> None: ...
