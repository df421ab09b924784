"""What only the Python API can fail with. All else that it raises is in ``agentd.errors`` and ``agentd.client``."""

from agentd.errors import AgentdError
from agentd.protocol import Problem, Turn


class UnknownModule(AgentdError):
    """A mount plan names a module that neither the loader nor an installed package has. Nothing was downloaded."""

    kind, code = "unknownModule", -32096


class ModuleFailed(AgentdError):
    """A module was found and could not be made: its factory raised, or what it made lacks what its kind needs."""

    kind, code = "moduleFailed", -32095


class SessionClosed(AgentdError):
    """Used before ``initialize()`` or after ``cleanup()``. What was saved is kept: open it anew by its id."""

    kind, code = "sessionClosed", -32094


class TurnFailed(AgentdError):
    """The prompt is kept, and the turn ended without a whole reply: the model failed, or somebody interrupted it.

    ``turn`` has all that had arrived, ``problem`` says why (``problem.kind`` as in ``agentd.errors``: modelFailed,
    modelUnavailable, interrupted, storeFailed), and ``retryable`` whether the same prompt may succeed later.
    """

    kind, code = "turnFailed", -32093

    def __init__(self, turn: Turn) -> None:
        problem = turn.error or Problem(kind="interrupted", message="The turn was interrupted.", retryable=True)
        super().__init__(problem.message)
        self.turn = turn
        self.problem = problem
        self.retryable = problem.retryable
