"""Parameters and results about the daemon, its models, profiles and credentials."""

from pydantic import Field

from agentd.protocol.base import Kept, Wire
from agentd.protocol.shapes import ModelInfo, ProfileInfo


class ModelsResult(Kept):
    models: tuple[ModelInfo, ...]
    default: str


class CredentialsParams(Wire):
    """``key`` empty: forget the kept key. It is never logged."""

    provider: str
    key: str = Field(repr=False)


class RunningTurn(Kept):
    session_id: str
    name: str | None = None
    turn: int


class StatusResult(Kept):
    """``sessions`` counts by status, of those that are in the index so far while it is being made (``indexing``).

    ``saving`` is false from a failed write until one works again.
    """

    version: str
    protocol: int
    pid: int
    root: str
    store: str
    socket: str
    connections: int
    sessions: dict[str, int]
    indexing: bool = False
    running: tuple[RunningTurn, ...]
    model: str
    saving: bool
    started: str
    problems: tuple[str, ...] = ()


class ShutdownParams(Wire):
    """``onlyIdle``: refuse while a turn runs or anyone else is attached (a newer installation asks so)."""

    only_idle: bool = False


class ProfilesResult(Kept):
    """``problems`` name files that are no profile, and why."""

    profiles: tuple[ProfileInfo, ...]
    problems: tuple[str, ...] = ()
