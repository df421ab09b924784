"""The async Python client: an ordinary client of the daemon's socket, with types.

    async with agentd.connect() as client:
        async for event in client.chat("What does this project do?"):
            ...

This package imports neither lsprotocol nor pygls, and this module next to nothing: ``Link``, which the command line
uses for its quick commands, comes without pydantic. The typed layer is imported on first use.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentd.client.failures import ConnectionLost as ConnectionLost
from agentd.client.failures import DaemonUnavailable as DaemonUnavailable
from agentd.client.failures import RequestFailed as RequestFailed

if TYPE_CHECKING:
    from agentd.client.link import RequestHandlers
    from agentd.client.streams import EventStream as EventStream
    from agentd.client.streams import TurnStream as TurnStream
    from agentd.client.typed import Client as Client

__all__ = ["Client", "ConnectionLost", "DaemonUnavailable", "EventStream", "RequestFailed", "TurnStream", "connect"]


def connect(root: Path | str | None = None, *, handlers: "RequestHandlers | None" = None) -> "Client":
    """A client of the daemon of this root, which is started if there is none: use it with ``async with``.

    ``root`` names the project's root (None: it is found from the current directory).
    ``handlers`` answers the daemon's own requests by method name; what it lacks is refused as not handled.
    """
    from agentd.client.dial import Address
    from agentd.client.typed import Client

    return Client(Address(None if root is None else Path(root)), handlers=handlers)


def __getattr__(name: str) -> Any:
    if name == "Client":
        from agentd.client.typed import Client

        return Client
    if name in ("EventStream", "TurnStream"):
        from agentd.client import streams

        return streams.EventStream if name == "EventStream" else streams.TurnStream
    raise AttributeError(f"module 'agentd.client' has no attribute {name!r}")
