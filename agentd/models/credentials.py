"""API keys: where one comes from, and keeping one.

In this order: the prompting client's environment, ``api_key_command`` of the user's settings, the operating system's
keyring, a file that only the user can read. A key appears in no repr, log, message or argument. What is slow (the
command, the keyring) runs on a thread and under a time limit, never on the loop. The command runs in the prompting
client's environment, and what it said is remembered for clients with the very same one.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from agentd.config import Settings
from agentd.errors import InvalidParams, ModelUnavailable
from agentd.models import vault
from agentd.models.command import run_for_line

Source = Literal["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "api_key_command", "the keyring", "credentials.json"]

PROVIDERS: Final = ("anthropic",)
_CACHED_SECONDS: Final = 300.0
_NONE_SECONDS: Final = 10.0
"""Shorter: another process may keep a key meanwhile, and a person waits for it to work."""


@dataclass(frozen=True)
class Found:
    """A key, for people where it came from, and the endpoint that goes with it (None: the default one)."""

    key: str = field(repr=False)
    source: Source | Literal["nowhere: none is needed"]
    bearer: bool = False
    base_url: str | None = field(default=None, repr=False)


_Seen = frozenset[tuple[str, str]]
"""The environment that ``api_key_command`` ran in, which may change its answer (``PATH``). The vault's is empty."""


@dataclass(frozen=True)
class _Cached:
    """What one source said, and when."""

    found: Found | None
    at: float

    @property
    def fresh(self) -> bool:
        seconds = _NONE_SECONDS if self.found is None else _CACHED_SECONDS
        return time.monotonic() - self.at < seconds


class Credentials:
    """The keys of one daemon. ``data_dir`` holds the fallback file. Bound to one loop."""

    def __init__(self, settings: Settings, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._cached: dict[_Seen, _Cached] = {}
        self._reading: dict[_Seen, asyncio.Task[Found | None]] = {}

    async def find(self, environment: Mapping[str, str]) -> Found | None:
        """The key for this client's turn, or None. Raises ``ModelUnavailable`` when a source is there and broken."""
        if found := self._from_environment(environment):
            return found
        if environment.get("ANTHROPIC_BASE_URL") and not self._settings.base_url:
            # A kept key goes nowhere but where the user's own configuration says.
            raise ModelUnavailable(
                "ANTHROPIC_BASE_URL is set without ANTHROPIC_API_KEY: a kept key is sent only to the base_url of "
                "config.toml. Set base_url there, or put the key beside ANTHROPIC_BASE_URL."
            )
        found = await self._stored(environment)
        if found is None and self._settings.base_url:
            # Ollama and the like want none, but the SDK wants a word.
            return Found("none", "nowhere: none is needed", base_url=self._settings.base_url)
        return found

    def known(self, environment: Mapping[str, str]) -> bool:
        """Whether a key is there, as far as is known without waiting: the kept ones are known after ``refresh``."""
        if environment.get("ANTHROPIC_API_KEY") or environment.get("ANTHROPIC_AUTH_TOKEN"):
            return True
        kept = any(cached.found for cached in self._cached.values())
        return bool(self._settings.api_key_command) or kept or vault.in_file(self._data_dir)

    async def refresh(self) -> None:
        """Look into the keyring once, so that ``known`` knows. Never raises for a source that is broken."""
        if not self._settings.api_key_command:
            # A key that is none is told by the turn that needs it.
            with contextlib.suppress(ModelUnavailable):
                await self._stored(os.environ)

    async def set(self, provider: str, key: str) -> Source | None:
        """Keep a key; says where. An empty one forgets what was kept. Raises ``InvalidParams`` for what is no key."""
        _check_provider(provider)
        if not key.strip():
            await self.unset(provider)
            return None
        checked = usable(key)
        if checked is None:
            raise InvalidParams("That is no API key: it must be one line of letters, digits and signs.")
        kept_in = await vault.keep(self._data_dir, provider, checked)
        self._forget()
        return kept_in

    async def unset(self, provider: str) -> bool:
        """Forget a kept key, wherever it is; False if there was none."""
        _check_provider(provider)
        try:
            return await vault.forget(self._data_dir, provider)
        finally:
            self._forget()

    async def status(self, environment: Mapping[str, str]) -> str | None:
        """In words where a key would come from now; None: there is none. Never the key, nor a part of it."""
        found = await self.find(environment)
        return None if found is None else found.source

    async def close(self) -> None:
        """End readings that nobody waits for any more."""
        if reading := list(self._reading.values()):
            for task in reading:
                task.cancel()
            await asyncio.wait(reading)

    def _from_environment(self, environment: Mapping[str, str]) -> Found | None:
        url = environment.get("ANTHROPIC_BASE_URL") or self._settings.base_url
        names: tuple[tuple[Literal["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"], bool], ...]
        names = (("ANTHROPIC_API_KEY", False), ("ANTHROPIC_AUTH_TOKEN", True))
        for name, bearer in names:
            if text := environment.get(name, "").strip():
                return Found(_checked(text, name), name, bearer, url)
        return None

    async def _stored(self, environment: Mapping[str, str]) -> Found | None:
        seen: _Seen = frozenset(environment.items() if self._settings.api_key_command else ())
        if (cached := self._cached.get(seen)) and cached.fresh:
            return cached.found
        if (reading := self._reading.get(seen)) is None:
            # One reading for all turns that ask now: a command may ask its user each time. Shielded, because a turn
            # that is interrupted must not take the key from the others.
            reading = asyncio.create_task(self._read(seen), name="read the API key")
            self._reading[seen] = reading
            reading.add_done_callback(partial(self._was_read, seen))
        return await asyncio.shield(reading)

    def _was_read(self, seen: _Seen, task: asyncio.Task[Found | None]) -> None:
        del self._reading[seen]
        if not task.cancelled():
            # Read here, an error is not reported a second time when nobody waits any more.
            task.exception()

    async def _read(self, seen: _Seen) -> Found | None:
        command = self._settings.api_key_command
        found = await self._from_command(command, dict(seen)) if command else await self._from_vault()
        self._cached = {key: cached for key, cached in self._cached.items() if cached.fresh}
        self._cached[seen] = _Cached(found, time.monotonic())
        return found

    async def _from_vault(self) -> Found | None:
        kept = await vault.read(self._data_dir, PROVIDERS[0])
        if kept is None:
            return None
        key, source = kept
        return Found(_checked(key, source), source, base_url=self._settings.base_url)

    async def _from_command(self, command: tuple[str, ...], environment: Mapping[str, str]) -> Found:
        name = Path(command[0]).name
        output = await run_for_line(command, {**os.environ, **environment}, f"api_key_command: {name}")
        return Found(_checked(output, "api_key_command"), "api_key_command", base_url=self._settings.base_url)

    def _forget(self) -> None:
        self._cached.clear()


def usable(key: str) -> str | None:
    """The key without blanks around it, or None if it can stand in no HTTP header."""
    key = key.strip()
    return key if key and key.isascii() and key.isprintable() and " " not in key else None


def _checked(key: str, source: str) -> str:
    """An error of the HTTP library would quote a wrong key, so that none gets there."""
    if (fit := usable(key)) is None:
        raise ModelUnavailable(f"The API key from {source} is none: it must be one line of letters, digits and signs.")
    return fit


def _check_provider(provider: str) -> None:
    if provider not in PROVIDERS:
        raise InvalidParams(f"No such provider: '{provider}'. Known: {', '.join(PROVIDERS)}.", place="provider")
