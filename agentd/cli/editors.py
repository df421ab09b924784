"""``agentd lsp`` and ``agentd serve`` as help and completion list them. ``agentd.__main__`` runs them itself, without
importing this package: an editor waits for the one."""

import typer

from agentd.cli import options


def add_to(app: typer.Typer) -> None:
    app.command("lsp")(lsp)
    app.command("serve")(serve)


def lsp() -> None:
    """Speak LSP on standard input and output, for an editor."""


def serve(root: options.Root = None) -> None:
    """Run the daemon in the foreground; clients start their own."""
