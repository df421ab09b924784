"""What a handler is given, and what it may answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agentd.protocol import Wire
from agentd.session import Peer
from agentd.workspace import Workspace


class DaemonInfo(Protocol):
    """What ``status`` and ``shutdown`` need of the process."""

    @property
    def version(self) -> str: ...
    @property
    def socket(self) -> str: ...
    @property
    def started(self) -> str: ...
    @property
    def connections(self) -> int: ...
    @property
    def problems(self) -> tuple[str, ...]: ...

    def stop(self) -> None:
        """End the daemon once the answer is out: running turns are interrupted and saved."""


@dataclass(frozen=True, slots=True)
class Context:
    workspace: Workspace
    peer: Peer
    daemon: DaemonInfo


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, and what to do once it is queued to the client."""

    result: Wire
    then: Callable[[], None]


Handler = Callable[[Context, Any], Awaitable["Wire | Answer"]]
