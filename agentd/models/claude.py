"""Claude and every other Messages endpoint, through the anthropic SDK.

The only importer of anthropic, and never at import: it costs 0.7 s and 42 MB, so ``warm`` brings it in on a worker
thread. The SDK writes the request, authenticates and types the errors; the reply's bytes are read by ``reading``,
because the SDK's own stream hides pings, ends in silence at a cut and costs several times as much per event.
"""

import asyncio
import contextlib
import importlib
import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from agentd.config import Settings
from agentd.core.exchange import Message, ModelEvent, ModelTraits, Request, TextBlock
from agentd.errors import AgentdError, ModelFailed, ModelUnavailable
from agentd.models import faults
from agentd.models.credentials import Credentials
from agentd.models.endpoint import Endpoint, endpoint
from agentd.models.faults import Where
from agentd.models.messages import encode
from agentd.models.reading import read_reply
from agentd.models.transport import transport_to

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

_CLIENTS_KEPT: Final = 16
_CONNECT_SECONDS: Final = 20.0
_log = logging.getLogger(__name__)


async def warm() -> None:
    """Import the SDK and rehearse a call, on a worker thread. Cheap once done."""
    if not _warmed.is_set():
        await asyncio.to_thread(_warm_up)


_warmed: Final = threading.Event()
_warming: Final = threading.Lock()


def _warm_up() -> None:
    with _warming:
        if _warmed.is_set():
            return
        importlib.import_module("anthropic.resources.messages")
        # The user chose the model; that it is deprecated belongs in no daemon's stderr.
        warnings.filterwarnings("ignore", message=r"The model '.*' is deprecated")
        warnings.filterwarnings("ignore", message=r"Using Claude with .* is deprecated")
        asyncio.run(_rehearse())
        _warmed.set()


async def _rehearse() -> None:
    """The SDK and its transport import and build as much again at the first call: 20 to 40 ms on the loop, if it were
    there. This call goes to a socket that cannot be."""
    import httpx2

    client = sdk_client("http://localhost", httpx2.AsyncHTTPTransport(uds="/dev/null/none", verify=False), "none")
    traits = ModelTraits(id="rehearsal", provider="none", context_window=0, max_output=1)
    request = Request(model=traits.id, messages=(Message("user", (TextBlock("?"),)),))
    with contextlib.suppress(ModelFailed):
        async for _ in converse(client, request, traits, 1.0, Where(traits.id, "nowhere")):
            pass
    await client.close()


class Clients:
    """The SDK's clients, one for each way to reach an endpoint, so that connections stay warm. Bound to one loop."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Endpoint, AsyncAnthropic] = OrderedDict()

    async def get(self, target: Endpoint) -> "AsyncAnthropic":
        """Raises ``ModelUnavailable`` for a proxy or certificates that cannot be used."""
        client = self._clients.get(target)
        if client is None:
            await warm()
            transport = await transport_to(target)
            client = self._clients.get(target) or sdk_client(target.url, transport, target.key, bearer=target.bearer)
            self._clients[target] = client
        self._clients.move_to_end(target)
        if len(self._clients) > _CLIENTS_KEPT:
            # Dropped, not closed: a turn may be reading from it. Its connections go with the last reader.
            self._clients.popitem(last=False)
        return client

    async def close(self) -> None:
        """End all connections, also of streams that are being read."""
        clients, self._clients = list(self._clients.values()), OrderedDict()
        for client in clients:
            await client.close()


def sdk_client(
    url: str,
    transport: "httpx2.AsyncBaseTransport",
    key: str,
    *,
    bearer: bool = False,
    headers: Mapping[str, str] | None = None,
) -> "AsyncAnthropic":
    """A client that retries nothing, sends no telemetry and uses no key but this one."""
    import anthropic
    import httpx2

    timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
    client = anthropic.AsyncAnthropic(
        api_key=None if bearer else key,
        auth_token=key if bearer else None,
        webhook_key="",
        base_url=url,
        max_retries=0,
        timeout=timeout,
        open_telemetry=False,
        http_client=httpx2.AsyncClient(transport=transport, timeout=timeout, trust_env=False),
    )
    # The SDK mixes in ANTHROPIC_CUSTOM_HEADERS of this process, which is not the prompting client.
    client._custom_headers = dict(headers or {})
    return client


class ClaudeModel:
    """One model of the Messages API. Any number of turns stream from it at once, over shared connections."""

    def __init__(self, traits: ModelTraits, settings: Settings, credentials: Credentials, clients: Clients) -> None:
        self._traits = traits
        self._settings = settings
        self._credentials = credentials
        self._clients = clients

    @property
    def traits(self) -> ModelTraits:
        return self._traits

    async def stream(self, request: Request, environment: Mapping[str, str]) -> AsyncGenerator[ModelEvent]:
        """One call, as ``models.api.Model`` has it. Use ``contextlib.aclosing``, so that leaving early closes it."""
        found = await self._credentials.find(environment)
        if found is None:
            raise ModelUnavailable(
                f"No API key for {request.model}: set ANTHROPIC_API_KEY, or keep one with `agentd key set`. "
                "Without a key there is the small built-in model: `--model local`."
            )
        target = endpoint(found.base_url, found.key, found.bearer, environment)
        client = await self._clients.get(target)
        where = Where(request.model, target.host, _key_hint(found.source), found.key, target.port)
        async with aclosing(converse(client, request, self._traits, self._settings.stall_seconds, where)) as events:
            async for event in events:
                yield event


async def converse(
    client: "AsyncAnthropic", request: Request, traits: ModelTraits, stall: float, where: Where
) -> AsyncGenerator[ModelEvent]:
    """Ask once and give out the reply's events as they come. Raises ``ModelFailed`` for whatever goes wrong.

    ``stall`` bounds, in seconds, how long nothing but pings may come. Closing it closes the connection, unless the
    reply was read to its end: then the connection stays warm.
    """
    response: httpx2.Response | None = None
    try:
        response = await _ask(client, request, traits, stall, where)
        # Left to itself an inner generator is closed some time after the outer one: the connection would stay open.
        async with aclosing(read_reply(response, stall, where)) as events:
            async for event in events:
                yield event
    except AgentdError:
        raise
    except Exception as error:
        raise _failure(error, where, begun=response is not None) from error
    finally:
        if response is not None:
            await response.aclose()


async def _ask(
    client: "AsyncAnthropic", request: Request, traits: ModelTraits, stall: float, where: Where
) -> "httpx2.Response":
    """The response, whose head has come and whose body has not. The caller closes it."""
    body = encode(request, traits)
    try:
        async with asyncio.timeout(stall):
            stream = await client.messages.create(**body, stream=True)
    except TimeoutError as error:
        raise faults.stalled(where, stall) from error
    content_type = stream.response.headers.get("content-type", "")
    if content_type.startswith(("text/html", "application/json", "text/plain")):
        await stream.response.aclose()
        raise faults.no_stream(stream.response.status_code, content_type, where)
    return stream.response


def _failure(error: Exception, where: Where, *, begun: bool) -> ModelFailed:
    """What the SDK, the transport or the parsing raised, as the failure that it means."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return faults.from_body(error.status_code, error.body, where, error.response.headers)
    if begun and isinstance(error, httpx2.RemoteProtocolError):
        return faults.cut_off(where)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError | httpx2.StreamError | OSError):
        return faults.network(where, error, begun=begun)
    # AssertionError, JSON and UTF-8 errors and what newer SDKs may think of: the answer was none of the API's.
    _log.debug("The reply of %s could not be read: %s", where.host, type(error).__name__)
    return faults.bad_reply(f"{where.host} sent what cannot be read ({type(error).__name__})")


def _key_hint(source: str) -> str:
    """Where the key is from, and what to do about it: a variable of the environment wins over a kept key."""
    if source.startswith("ANTHROPIC_"):
        return f"the key is from {source}: set another one there, or unset it and keep one with `agentd key set`"
    return f"the key is from {source}; {Where.key_hint}"
