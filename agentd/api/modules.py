"""What the parts of a session must be able to do, as protocols: a class of one's own needs no base class of ours.

A module is made by a factory: a callable that takes the module's ``config`` (a mapping, empty when the plan gives
none). Packages offer factories as entry points, in the groups of ``agentd.api.loading``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from agentd.models.api import Model
from agentd.protocol import ContextItem, Turn

ModuleFactory = Callable[[Mapping[str, Any]], object]
"""Makes a module of its ``config``. Raises ValueError or AgentdError for one that makes no sense."""

Level = Literal["info", "warning", "error"]


class TurnRunner(Protocol):
    """What an orchestrator runs turns with."""

    async def turn(self, prompt: str, context: Sequence[ContextItem] = ()) -> Turn:
        """One turn of the session: the prompt (not empty) is sent, streamed to the display, and over on return.

        ``context`` goes with this prompt only and is not repeated later. Raises TurnFailed for a turn that ended
        without a whole reply, and the errors of ``agentd.errors`` for a prompt that was not taken.
        """


@runtime_checkable
class Orchestrator(Protocol):
    """How one ``execute`` becomes turns. ``loop-basic``: one turn, which the daemon loops until the model ends it."""

    async def execute(self, prompt: str, turns: TurnRunner) -> str:
        """The text that ``AgentSession.execute`` answers."""


@runtime_checkable
class ContextModule(Protocol):
    """What goes with a prompt besides the conversation, which the session keeps and compacts itself.

    ``context-simple`` adds nothing.
    """

    async def gather(self, prompt: str) -> Sequence[ContextItem]:
        """Files, ranges and texts for this prompt alone: they are not repeated in later turns."""


@runtime_checkable
class ModelProvider(Protocol):
    """Models of one's own: a session with them runs in this process. Each is an ``agentd.models.api.Model``."""

    @property
    def models(self) -> Sequence[Model]:
        """At least one; the first is the one that new sessions use."""

    async def close(self) -> None:
        """The session is over."""


@runtime_checkable
class Tool(Protocol):
    """Something that the model may call. This version mounts tools and runs none: a plan with tools is refused."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON schema of the arguments."""

    async def execute(self, arguments: Mapping[str, Any]) -> str:
        """The result as the model reads it."""


class ModuleLoader(Protocol):
    """Where modules come from before installed packages are asked."""

    def load(self, group: str, module: str, source: str | None) -> ModuleFactory | None:
        """The factory of this module, or None for one that this loader does not know.

        ``group`` is one of ``agentd.orchestrators``, ``agentd.contexts``, ``agentd.models``, ``agentd.tools``.
        """


class ApprovalSystem(Protocol):
    """Asked before something is done that the session's mode does not allow by itself.

    This version runs no tools, so that nothing asks yet.
    """

    def approve(self, tool: str, title: str, detail: str) -> bool | Awaitable[bool]:
        """``detail`` is the exact command or change. An exception counts as no."""


class DisplaySystem(Protocol):
    """Shown what happens while ``execute`` runs. An exception is logged, and the turn goes on without the display."""

    def show_text(self, text: str) -> Awaitable[None] | None:
        """A piece of the reply, as it is streamed: all of a turn's pieces joined are its text."""

    def show_message(self, message: str, level: Level, source: str) -> Awaitable[None] | None:
        """A notice for people: a retry's countdown, saving that fails, a prompt that waits."""


class SessionStorage(Protocol):
    """Storage of one's own, saved to after each turn: what a subclass of ``SessionManager`` is, without a base class.

    The methods may be coroutine functions.
    """

    def save_session(self, session_data: dict[str, Any]) -> Any:
        """``id``, ``working_dir``, ``model``, ``created_at``, ``updated_at`` (RFC 3339), ``metadata``, ``messages``."""

    def load_session(self, session_id: str) -> Any:
        """What was saved, or its list of messages, or None."""
