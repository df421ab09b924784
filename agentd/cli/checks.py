"""What ``agentd doctor`` looks at: each check says what it found and, where that is wrong, how to mend it.

No check raises, none changes anything but what a daemon's start makes anyway, and none holds a secret.
"""

import asyncio
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from agentd import config, paths
from agentd.cli.asking import given, if_running
from agentd.client.dial import Address
from agentd.client.link import Link
from agentd.errors import AgentdError

State = Literal["ok", "warn", "fail"]
OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 200 * 10**6
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """``mend``: what to do, where something is wrong."""

    name: str
    state: State
    told: str
    mend: str | None = None


def run(place: Address) -> list[Check]:
    """All checks, in the order in which one needs the other."""
    environment = dict(os.environ)
    data = Path(paths.data_dir(environment))
    settings, problems = config.load()
    return [
        python(),
        store(data),
        *(Check("Settings", "warn", problem, "Its default is used until it is mended.") for problem in problems),
        daemon(place),
        key(environment),
        *asyncio.run(_endpoint(settings, environment)),
        model(data),
    ]


def python() -> Check:
    told = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return Check("Python", "fail", told, "Install Python 3.11 or newer.")
    if sys.platform not in ("linux", "darwin"):
        return Check("Python", "fail", f"{told} on {sys.platform}", "agentd runs on Linux and macOS so far.")
    return Check("Python", "ok", told)


def store(data: Path) -> Check:
    """Writable, private, with space."""
    nearest = next(path for path in (data, *data.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"\0")
    except OSError as error:
        told = f"{data} cannot be written: {error.strerror}"
        return Check("Store", "fail", told, "Mend its permissions, or set AGENTD_HOME.")
    free = shutil.disk_usage(nearest).free
    told = f"{data}, {free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE:
        return Check("Store", "warn", told, "Make room: what cannot be saved is not sent.")
    if data.exists() and data.stat().st_mode & 0o077:
        return Check("Store", "warn", f"{told}; others may read it", f"chmod 700 '{data}'")
    return Check("Store", "ok", told)


def daemon(place: Address) -> Check:
    """Whether one runs, and whether it can save. None running is as it should be before the first chat."""

    async def ask(link: Link) -> dict[str, Any]:
        return given(await link.request("agentd/status", {}))

    try:
        status = if_running(place, ask)
    except AgentdError as error:
        return Check("Daemon", "fail", error.message, "'agentd logs' may say more.")
    if status is None:
        return Check("Daemon", "ok", f"none runs for {place.resolved()}; the next chat starts one")
    told = f"{status.get('version')} runs, process {status.get('pid')}, socket {status.get('socket')}"
    if not status.get("saving", True):
        return Check("Daemon", "fail", f"{told}; saving fails", "Check the space and the permissions of the store.")
    problems = status.get("problems")
    if problems:
        return Check("Daemon", "warn", "; ".join(map(str, problems)), "'agentd logs' may say more.")
    return Check("Daemon", "ok", told)


def key(environment: Mapping[str, str]) -> Check:
    """Where it comes from; never what it is."""
    from agentd.cli.key import source

    found, problem = source()
    if problem:
        return Check("Key", "fail", problem, "Mend it, or keep a key with 'agentd key set'.")
    if found:
        return Check("Key", "ok", f"from {found}")
    return Check("Key", "warn", "none: the small built-in model answers", "For Claude: 'agentd key set'.")


async def _endpoint(settings: config.Settings, environment: Mapping[str, str]) -> list[Check]:
    """Whether the model's host can be reached: a connection, no request. The proxy, where there is one, instead."""
    from agentd.models.endpoint import endpoint

    url = environment.get("ANTHROPIC_BASE_URL") or settings.base_url
    try:
        found = endpoint(url, "", False, environment)
    except AgentdError as error:
        return [Check("Endpoint", "fail", error.message, "Mend base_url in config.toml, or ANTHROPIC_BASE_URL.")]
    if found.proxy is None:
        reached = await _reached("Endpoint", found.url)
        return [reached, Check("Proxy", "ok", "none")]
    return [Check("Endpoint", "ok", f"{found.host}, through the proxy"), await _reached("Proxy", found.proxy)]


async def _reached(name: str, url: str) -> Check:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {CONNECT_SECONDS:.0f} s"
        return Check(name, "warn", f"{host}:{port} cannot be reached: {reason}", "Check the network and the proxy.")
    writer.close()
    return Check(name, "ok", f"{host}:{port} can be reached")


def model(data: Path) -> Check:
    """The built-in one: its program and its weights."""
    from agentd.models import weights

    if importlib.util.find_spec("xllamacpp") is None:
        return Check("Built-in model", "warn", "its program is not installed", "Install agentd-lsp[local] for it.")
    if not weights.present(data):
        return Check("Built-in model", "ok", "its weights are fetched at its first use (93 MB), or by "
                     "'agentd model install'")  # fmt: skip
    return Check("Built-in model", "ok", "installed")
