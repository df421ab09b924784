"""The types on the wire: lsprotocol's for the standard's methods, ours for METHODS; one converter for all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import cattrs
from pygls.protocol import default_converter

from agentd.protocol import METHODS, Wire
from agentd.server.site import Site


class Link(Protocol):
    """What the wire asks of its connection."""

    @property
    def id(self) -> int: ...
    @property
    def site(self) -> Site: ...
    @property
    def gone(self) -> bool: ...

    def send(self, body: bytes) -> None: ...
    def initialized(self, name: str, abilities: frozenset[str]) -> None:
        """The answer to ``initialize`` is queued."""

    async def room(self) -> None:
        """Until the client has read most of what waits for it."""

    def close(self) -> None: ...
    def context(self) -> Any:
        """What handlers are given."""


class Envelope:
    """A message of ours, typed: what lsprotocol's generated classes are for the standard's methods."""

    __slots__ = ("id", "jsonrpc", "method", "params")
    params_type: type[Wire]

    def __init__(self, message: dict[str, Any]) -> None:
        self.id = message["id"]
        self.jsonrpc = message["jsonrpc"]
        self.method = message["method"]
        self.params = self.params_type.model_validate(message.get("params"))


ENVELOPES: dict[str, type[Envelope]] = {
    method.name: type("Envelope", (Envelope,), {"__slots__": (), "params_type": method.params}) for method in METHODS
}


@cache
def converter() -> cattrs.Converter:
    """pygls' converter, taught our types. One for all connections: making it takes 12 ms."""
    made: cattrs.Converter = default_converter()  # type: ignore[no-untyped-call]
    made.register_structure_hook_func(partial(_is_a, Envelope), lambda value, kind: kind(value))
    made.register_structure_hook_func(partial(_is_a, Wire), lambda value, kind: kind.model_validate(value))
    made.register_unstructure_hook_func(partial(_is_a, Wire), lambda value: value.dump())
    return made


def _is_a(base: type, kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


@dataclass(frozen=True)
class Reply:
    """A result of the standard's own methods with something to do once it is queued."""

    result: Any
    then: Callable[[], None]
