"""The line that each side sends first, before any LSP: who it is, and whose environment the connection's turns run in.

Shared by the daemon and by the bridge, so it imports next to nothing. The environment is an allow-list, filtered by
the sender and again by the receiver; it stays in memory and is never logged.
"""

import os

from agentd.server import line

HELLO = 1
"""The version of this exchange. It can only change together with a rule for meeting the older one."""

PROTOCOL = 1

MAX_HELLO = 256 * 1024
"""Bytes; a long PATH fits many times over."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

SECRET = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")

NETWORK = (*_PROXIES, *[name.lower() for name in _PROXIES], "SSL_CERT_FILE", "SSL_CERT_DIR")

PLACES = ("HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME")
"""Where other programs keep their sessions, for a client that looks for those."""

ALLOWED = (*SECRET, *PLACES, *NETWORK, "PATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "LC_CTYPE")


def environment(env: "os._Environ[str] | dict[str, str]") -> dict[str, object]:
    """What of a client's environment its turns may use."""
    return {name: env[name] for name in ALLOWED if name in env}


def of_client(version: str, cwd: str, env: "os._Environ[str] | dict[str, str]") -> bytes:
    return line.dump({"agentd": HELLO, "version": version, "cwd": cwd, "environment": environment(env)})


def of_server(version: str, root: str, idle: bool) -> bytes:
    """``idle``: no turn runs and nobody else is attached, so that a newer installation may take over."""
    return line.dump({"agentd": HELLO, "version": version, "root": root, "idle": idle, "protocol": PROTOCOL})


def refusal(reason: str) -> bytes:
    return line.dump({"agentd": HELLO, "error": reason})


def newer(one: str, other: str) -> bool:
    """Whether version ``one`` is newer than ``other``. What is no number ends the comparison: 1.2rc1 is 1.2."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> list[int]:
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
