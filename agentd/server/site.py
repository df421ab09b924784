"""What the connections of one daemon share. Values and protocols only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agentd.protocol import Wire

if TYPE_CHECKING:
    from agentd.server.connection import Connection


class Documents(Protocol):
    """Where the text of open documents goes, after it was brought up to date."""

    def opened(self, peer: int, uri: str, text: str, version: int) -> None: ...
    def changed(self, peer: int, uri: str, text: str, version: int) -> None: ...
    def saved(self, peer: int, uri: str) -> None: ...
    def closed(self, peer: int, uri: str) -> None: ...


class Answered(Protocol):
    """A result with something to do once it is queued (``handlers.Answer``)."""

    @property
    def result(self) -> Wire: ...
    @property
    def then(self) -> Callable[[], None]: ...


Handler = Callable[[Any, Any], Awaitable[Wire | Answered]]
"""(context, validated params) → result. The context is what ``Site.context`` makes of the connection."""


@dataclass(frozen=True)
class Site:
    """``attach`` is called once the answer to ``initialize`` is queued, ``detach`` when an attached client is gone."""

    version: str
    root: str
    handlers: Mapping[str, Handler]
    commands: Mapping[str, str]
    documents: Documents
    context: Callable[["Connection"], Any]
    attach: Callable[["Connection"], None]
    detach: Callable[["Connection"], None]
    idle: Callable[[], bool]
    """No turn runs and nobody is attached: asked before a new connection is counted."""
