"""The command's entry. Decides what is imported: a bridge or a version must not pay for a command line."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """Run what the first argument names, and end the process."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first == "lsp":
        from agentd import bridge

        bridge.main(sys.argv[2:])
    if first == "--version":
        from agentd import __version__
        from agentd.server.hello import PROTOCOL

        print(f"agentd-lsp {__version__} protocol {PROTOCOL}")  # noqa: T201
        sys.exit(0)
    if first == "serve":
        from agentd.server import serve

        serve.main(sys.argv[2:])
    from agentd.cli.app import main as command_line

    command_line()
    sys.exit(0)


if __name__ == "__main__":
    main()
