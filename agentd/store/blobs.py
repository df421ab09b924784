"""Blobs: images, large outputs and file versions of a session, each named by its hash. They never change.

So a fork holds the same files by further names. Blocking: call from a worker.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from agentd.errors import InvalidParams, LoadFailed
from agentd.store.files import Files, loading, saving

BLOBS = "blobs"
DIGEST = re.compile(r"[0-9a-f]{64}")
_NEW = ".new-"


def digest_of(data: bytes) -> str:
    """SHA-256, in hex: the name of a blob of these bytes."""
    return hashlib.sha256(data).hexdigest()


def put_blob(files: Files, directory: Path, data: bytes) -> str:
    """Keep these bytes in a session's directory; durable on return. Raises StoreFailed."""
    digest = digest_of(data)
    blobs = directory / BLOBS
    with saving("blob"):
        _make(files, blobs)
        if not _is_there(files, blobs / digest, data):
            # Two may write the same at the same time: each its own file, and either may be the one that stays.
            building = blobs / f"{_NEW}{digest}-{os.urandom(4).hex()}"
            try:
                files.write_new(building, data)
                files.rename(building, blobs / digest)
            except BaseException:
                with suppress(OSError):
                    files.unlink(building)
                raise
        # Also when it was there: whoever put it may not have come to this yet.
        files.sync_directory(blobs)
    return digest


def read_blob(files: Files, directory: Path, digest: str) -> bytes:
    """Raises InvalidParams when there is none, LoadFailed for one that is damaged or cannot be read."""
    if DIGEST.fullmatch(digest):
        with loading(), suppress(FileNotFoundError, NotADirectoryError):
            data = files.contents(directory / BLOBS / digest)
            if digest_of(data) != digest:
                raise LoadFailed(f"the blob {digest[:12]} is damaged: it is not what its name says")
            return data
    raise no_blob(digest)


def no_blob(digest: str) -> InvalidParams:
    return InvalidParams(f"hash: this session holds no blob '{digest[:12]}…'")


def link_blobs(files: Files, source: Path, target: Path) -> None:
    """Both sessions hold the same files. Copied where links can't be made. Raises OSError."""
    try:
        names = [name for name in files.names(source / BLOBS) if not name.startswith(_NEW)]
    except FileNotFoundError:
        return
    files.mkdir(target / BLOBS)
    for name in names:
        try:
            files.link(source / BLOBS / name, target / BLOBS / name)
        except OSError:
            files.write_new(target / BLOBS / name, files.contents(source / BLOBS / name))
    files.sync_directory(target / BLOBS)


def _make(files: Files, blobs: Path) -> None:
    """Not what is above it: a session that is removed meanwhile does not come back."""
    if not files.is_directory(blobs):
        with suppress(FileExistsError):
            files.mkdir(blobs)
        files.sync_directory(blobs.parent)


def _is_there(files: Files, path: Path, data: bytes) -> bool:
    try:
        return files.contents(path) == data
    except OSError:
        return False
