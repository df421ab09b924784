"""agentd keeps AI chat sessions alive behind the editor.

The package's face: ``connect`` (the async Python client), ``AgentSession``, ``Agent`` and ``SessionManager`` (the
Python API), and the version. Names are looked up on first use, so that ``agentd lsp``, which an editor waits for,
imports next to nothing.
"""

TYPE_CHECKING = False  # typing itself costs the bridge milliseconds; checkers know this name

__version__ = "0.1.0"

if TYPE_CHECKING:
    from agentd.api.agent import Agent as Agent
    from agentd.api.history import SessionManager as SessionManager
    from agentd.api.session import AgentSession as AgentSession
    from agentd.api.session import create_session as create_session
    from agentd.api.stores import FileStore as FileStore
    from agentd.api.stores import MemoryStore as MemoryStore
    from agentd.api.stores import Store as Store
    from agentd.client import Client as Client
    from agentd.client import connect as connect

_PLACES = {
    "Agent": "agentd.api.agent",
    "AgentSession": "agentd.api.session",
    "Client": "agentd.client.typed",
    "FileStore": "agentd.api.stores",
    "MemoryStore": "agentd.api.stores",
    "SessionManager": "agentd.api.history",
    "Store": "agentd.api.stores",
    "connect": "agentd.client",
    "create_session": "agentd.api.session",
}

__all__ = [
    "Agent",
    "AgentSession",
    "Client",
    "FileStore",
    "MemoryStore",
    "SessionManager",
    "Store",
    "__version__",
    "connect",
    "create_session",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'agentd' has no attribute {name!r}")
    from importlib import import_module

    return vars(import_module(_PLACES[name]))[name]
