"""Dispatch of one connection, on pygls: types, features, text documents, capabilities. Only ``wire*`` import it.

One ``Server`` per connection; converter and types are shared. Reading, writing, the life of the connection and every
error reply are ours (``connection``, ``messages``): DESIGN.md section 9 says why. Failures become JSON-RPC here, once.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import cattrs
from lsprotocol import types
from pydantic import ValidationError
from pygls.lsp.server import LanguageServer

from agentd.errors import AgentdError, RequestCancelled
from agentd.protocol import Wire
from agentd.server import faults, messages, places
from agentd.server.messages import MessageId, Notification, Refused, Request
from agentd.server.site import Answered
from agentd.server.wire_methods import StandardMethods
from agentd.server.wire_types import ENVELOPES, Envelope, Link, Reply, converter

# pygls logs the parameters of messages, which are people's prompts and files.
logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
logger = logging.getLogger(__name__)

REQUESTS = frozenset({types.INITIALIZE, types.SHUTDOWN, types.WORKSPACE_EXECUTE_COMMAND})
BEFORE_INITIALIZE = frozenset({types.INITIALIZE, "agentd/status", "agentd/shutdown"})
MAX_IN_FLIGHT = 256
ANSWERED_AT_ONCE = 16
"""Handlers of one connection that run at a time, but for those that wait: what they answer is not counted yet as
waiting for the client, and each may answer with a page of a megabyte."""
WAITING = frozenset(
    {"agentd/chat", "agentd/turn/interrupt", "agentd/turn/retry", "agentd/session/import", "agentd/session/compact"}
)
"""Methods that are answered when a turn ends. They take no place from others."""


class WireProtocol(StandardMethods):
    """One connection's dispatch. Every request that comes in here is answered exactly once."""

    _request_futures: dict[MessageId, Any]

    def __init__(self, server: "Server", converter: cattrs.Converter) -> None:
        self.link = server.link
        self._answering = asyncio.Semaphore(ANSWERED_AT_ONCE)
        super().__init__(server, converter)

    # What comes in

    def take(self, message: Request | Notification) -> None:
        """Begin to serve a message; a request's answer goes to the link, now or later."""
        try:
            contextvars.copy_context().run(self._take, message)
        except Refused as refused:
            if isinstance(message, Request):
                self.link.send(messages.error(message.id, refused.code, refused.message, refused.data))
            else:
                # The name only of a method that there is: a stranger's may be anything.
                known = self.get_message_type(message.method) and message.method
                logger.info("client %d: %s ignored (%d)", self.link.id, known or "a notification", refused.code)

    def cancel_all(self) -> None:
        """The client is gone, which the handlers can see: nobody asked for this."""
        for future in list(self._request_futures.values()):
            future.cancel()

    @property
    def in_flight(self) -> tuple["asyncio.Task[Any]", ...]:
        return tuple(future for future in self._request_futures.values() if isinstance(future, asyncio.Task))

    def _take(self, message: Request | Notification) -> None:
        name = message.method
        if isinstance(message, Notification):
            if name == types.EXIT or (self._workspace is not None and not self._shutdown):
                self._take_notification(name, message)
            return
        if self._shutdown:
            raise Refused(messages.INVALID_REQUEST, "This connection was shut down: send exit, or connect again")
        if self._workspace is None and name not in BEFORE_INITIALIZE:
            raise Refused(messages.NOT_INITIALIZED, "Send initialize first")
        if self._workspace is not None and name == types.INITIALIZE:
            raise Refused(messages.INVALID_REQUEST, "This connection was initialized before")
        if message.id in self._request_futures:
            raise Refused(messages.INVALID_REQUEST, "A request with this id is being served")
        if len(self._request_futures) >= MAX_IN_FLIGHT:
            raise Refused(messages.REQUEST_FAILED, f"{MAX_IN_FLIGHT} requests are being served: wait for some")
        handler = self._request_handler(name)
        params = self._params(name, {"id": message.id, "params": message.params})
        self._ctx_msg_id.set(message.id)
        done = partial(self._send_handler_result, msg_id=message.id)
        self._execute_handler(message.id, handler, callback=done, args=(params,))

    def _take_notification(self, name: str, message: Notification) -> None:
        if name == types.CANCEL_REQUEST:
            asked = message.params.get("id") if isinstance(message.params, dict) else None
            future = self._request_futures.get(asked) if isinstance(asked, int | str) else None
            if future is not None:
                future.cancel()
            return
        handler = self.fm.builtin_features.get(name)
        if handler is None or name in REQUESTS:
            raise Refused(messages.METHOD_NOT_FOUND, "no notification")
        params = self._params(name, {"params": message.params or {}})
        key = f"notification {name}"
        self._execute_handler(key, handler, callback=self._check_handler_result, args=(params,))
        # pygls keeps a future for each notification that ever was.
        self._request_futures.pop(key, None)

    def _request_handler(self, name: str) -> Callable[[Any], Any]:
        if name in self.link.site.handlers:
            return partial(self.serve, name)
        if name in REQUESTS:
            return self._get_handler(name)
        if name in self.fm.builtin_features:
            raise Refused(messages.INVALID_REQUEST, f"{name} is a notification: send it without an id")
        raise Refused(messages.METHOD_NOT_FOUND, f"No such method: {name[:100]}")

    async def serve(self, name: str, params: Any) -> Any:
        """What the handler of one of our methods returns. It begins when the client reads what it has asked before."""
        handler = self.link.site.handlers[name]
        if name in WAITING:
            return await handler(self.link.context(), params)
        async with self._answering:
            await self.link.room()
            return await handler(self.link.context(), params)

    def _params(self, name: str, message: dict[str, Any]) -> Any:
        """The typed parameters of a message. Raises ``Refused`` with the place of what is wrong."""
        try:
            envelope = self.get_message_type(name)
            if envelope is None:
                return message["params"]
            if not issubclass(envelope, Envelope):
                if message["params"] is None:
                    del message["params"]
                elif message["params"] == []:
                    message["params"] = {}  # Lua's empty object.
            return self._converter.structure({"jsonrpc": "2.0", "method": name, **message}, envelope).params
        except ValidationError as error:
            raise Refused(messages.INVALID_PARAMS, places.of_pydantic(error)) from None
        except Exception as error:
            # Whatever breaks here (cattrs raises groups, and plain errors from its hooks) broke on the client's input.
            raise Refused(messages.INVALID_PARAMS, places.of_cattrs(error)) from None

    # What goes out

    def _send_handler_result(self, future: "Future[Any]", *, msg_id: MessageId) -> None:
        self._request_futures.pop(msg_id, None)
        if self.link.gone:
            if not future.cancelled():
                future.exception()  # Marks it as seen: there is nobody to tell.
            return
        then: Callable[[], None] | None = None
        try:
            value = future.result() if not future.cancelled() else None
            if future.cancelled():
                raise asyncio.CancelledError
            if value is not None and not isinstance(value, Wire):
                then = value.then
            body = self._encoded(msg_id, value)
        except Exception as error:
            self.link.send(error_of(msg_id, error))
        except asyncio.CancelledError:
            self.link.send(error_of(msg_id, RequestCancelled()))
        else:
            self.link.send(body)
        if then is not None:
            try:
                then()
            except Exception as error:
                faults.note(logger, "what follows an answer", error)

    def _encoded(self, msg_id: MessageId, value: Any) -> bytes:
        if value is None:
            return messages.result(msg_id, b"null")
        if isinstance(value, Wire):
            return messages.result(msg_id, value.dump_json())
        answered: Answered | Reply = value
        if isinstance(answered, Reply):
            encoded = messages.encode(self._converter.unstructure(answered.result))
        else:
            encoded = answered.result.dump_json()
        return messages.result(msg_id, encoded)

    def _check_handler_result(self, future: "Future[Any]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            faults.note(logger, "a notification", error)

    def _send_data(self, data: Any) -> None:
        """pygls' own way out (work-done progress): through our outbox as well."""
        self.link.send(messages.encode(self._converter.unstructure(data)))

    # Uncached, unlike pygls', whose caches keep every connection that ever was.

    def get_message_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        return ENVELOPES.get(method) or types.METHOD_TO_TYPES.get(method, (None,))[0]

    def get_result_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        return types.METHOD_TO_TYPES[method][1] if method in types.METHOD_TO_TYPES else None


class Server(LanguageServer):
    """pygls' server object of one connection. It has no thread pool, reads nothing and writes nothing."""

    protocol: WireProtocol

    def __init__(self, link: Link) -> None:
        self.link = link
        super().__init__("agentd", link.site.version, protocol_cls=WireProtocol, converter_factory=converter)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """pygls would show it to the user, with its words. Ours are logged where they happen."""


def error_of(msg_id: MessageId | None, error: Exception) -> bytes:
    """The error answer for an exception. What we did not foresee goes out as a reference to the log, and no more."""
    if isinstance(error, Refused):
        return messages.error(msg_id, error.code, error.message, error.data)
    if isinstance(error, AgentdError):
        data = {"kind": error.kind, "retryable": error.retryable, **error.details}
        try:
            return messages.error(msg_id, error.code, error.message, data)
        except (TypeError, ValueError) as unfit:
            error = unfit
    reference = faults.note(logger, "a request", error)
    data = {"kind": "internal", "retryable": False, "reference": reference}
    text = f"Internal error (reference {reference}: see the daemon's log)"
    return messages.error(msg_id, messages.INTERNAL_ERROR, text, data)
