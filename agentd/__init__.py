"""agentd keeps AI chat sessions alive behind the editor.

The package's face: ``connect`` (the async Python client) and the version. Names are looked up on first use, so that
``agentd lsp``, which an editor waits for, imports next to nothing.
"""

TYPE_CHECKING = False  # typing itself costs the bridge milliseconds; checkers know this name

__version__ = "0.1.0"

if TYPE_CHECKING:
    from agentd.client import Client as Client
    from agentd.client import connect as connect

__all__ = ["Client", "__version__", "connect"]


def __getattr__(name: str) -> object:
    if name in ("connect", "Client"):
        from agentd import client

        return client.connect if name == "connect" else client.Client
    raise AttributeError(f"module 'agentd' has no attribute {name!r}")
