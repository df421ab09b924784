"""Where a key is kept: the operating system's keyring, else a file that only the user can read.

A keyring may be missing, locked or asking on a screen nobody sees: it gets a thread of its own and a time limit.
"""

import asyncio
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

from agentd.errors import StoreFailed

KeptIn = Literal["the keyring", "credentials.json"]

FILE: Final = "credentials.json"
_SERVICE: Final = "agentd"
_KEYRING_SECONDS: Final = 5.0
T = TypeVar("T")


class _KeyringSilent(Exception):
    """No keyring, or none that answers."""


async def read(data_dir: Path, provider: str) -> tuple[str, KeptIn] | None:
    """The kept key and where it is. A keyring that does not answer counts as an empty one."""
    try:
        key = await _with_keyring(lambda: _keyring_get(provider))
    except _KeyringSilent:
        key = None
    if key:
        return key, "the keyring"
    key = (await asyncio.to_thread(_load, data_dir)).get(provider)
    return (key, "credentials.json") if key else None


async def keep(data_dir: Path, provider: str, key: str) -> KeptIn:
    """Keep it in the keyring, else in the file. Raises ``StoreFailed`` when neither takes it."""
    try:
        await _with_keyring(lambda: _keyring_set(provider, key))
    except _KeyringSilent:
        await asyncio.to_thread(_save, data_dir, provider, key)
        return "credentials.json"
    # One in the file would be a second truth.
    await asyncio.to_thread(_save, data_dir, provider, None)
    return "the keyring"


async def forget(data_dir: Path, provider: str) -> bool:
    """Both places; False if neither had one."""
    try:
        had = await _with_keyring(lambda: _keyring_delete(provider))
    except _KeyringSilent:
        had = False
    return await asyncio.to_thread(_save, data_dir, provider, None) or had


def in_file(data_dir: Path) -> bool:
    """Whether the file is there: one stat, for callers that must not wait."""
    return (data_dir / FILE).exists()


async def _with_keyring(action: Callable[[], T]) -> T:
    """On a daemon thread: a keyring that hangs must hold up neither the loop nor the end of the process."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(_KeyringSilent(type(error).__name__))
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = action()
        except BaseException as error:
            failed = error
        try:
            loop.call_soon_threadsafe(settle, result, failed)
        except RuntimeError:
            # The loop has ended in the meantime: nobody waits.
            return

    threading.Thread(target=run, name="agentd-keyring", daemon=True).start()
    try:
        async with asyncio.timeout(_KEYRING_SECONDS):
            return await answer
    except TimeoutError as error:
        raise _KeyringSilent("timeout") from error


def _keyring_get(provider: str) -> str | None:
    import keyring

    return keyring.get_password(_SERVICE, provider)


def _keyring_set(provider: str, key: str) -> None:
    import keyring

    keyring.set_password(_SERVICE, provider, key)
    if keyring.get_password(_SERVICE, provider) != key:
        # The null backend takes everything and keeps nothing.
        raise LookupError("the keyring did not keep it")


def _keyring_delete(provider: str) -> bool:
    import keyring

    if keyring.get_password(_SERVICE, provider) is None:
        return False
    keyring.delete_password(_SERVICE, provider)
    return True


def _load(data_dir: Path) -> dict[str, str]:
    try:
        values = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): key for name, key in values.items() if isinstance(key, str)} if isinstance(values, dict) else {}


def _save(data_dir: Path, provider: str, key: str | None) -> bool:
    """Replaced atomically, mode 0600 from its first byte; None removes. Says whether there was one."""
    keys = _load(data_dir)
    had = keys.pop(provider, None) is not None
    path = data_dir / FILE
    if key is not None:
        keys[provider] = key
    elif not had:
        return False
    try:
        if not keys:
            path.unlink(missing_ok=True)
            return had
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".credentials-", dir=data_dir)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(keys, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreFailed(error.strerror or str(error), "the key") from error
    return had
