"""A session's directory made of an archive: what is whole is taken, what is not is named. In a worker.

The session's documents are no files of the store: whoever imports puts them where they belong.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from agentd.core.metadata import Metadata
from agentd.errors import AgentdError, ImportFailed
from agentd.store.files import Files, words
from agentd.store.fork import BLOBS
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.metadata_file import list_segments, read_metadata
from agentd.store.transfer.parts import DOCUMENTS, is_part_of_session
from agentd.store.transfer.reading import Archive, Entry

LARGEST_METADATA = 16 << 20
Settle = Callable[[Metadata], Metadata]
"""What the metadata is to say here, of what the archive says."""


def unpacker(archive: Archive, session_id: str, settle: Settle) -> Callable[[Files, Path], None]:
    """For ``FileStore.receive``: every file of the session, as it was exported, under this id.

    ``archive.problems`` says what was damaged. Raises ImportFailed when there is no session in it.
    """

    def fill(files: Files, directory: Path) -> None:
        unpack(archive, files, directory, session_id, settle)

    return fill


def unpack(archive: Archive, files: Files, directory: Path, session_id: str, settle: Settle) -> None:
    taken: set[str] = set()
    for entry in archive.entries:
        name = entry.name
        if is_document(name):
            continue
        if not is_part_of_session(name) or name in taken:
            archive.problems.append(f"A part called {name[:80]!r} is none of a session's, and was left out.")
            continue
        taken.add(name)
        if name.startswith(f"{BLOBS}/") and not files.exists(directory / BLOBS):
            files.mkdir(directory / BLOBS)
        _write(files, directory / name, archive.chunks(entry))
    if not list_segments(files, directory) and METADATA not in taken:
        raise ImportFailed("No part of a session was found in it: nothing was imported.")
    if files.exists(directory / BLOBS):
        files.sync_directory(directory / BLOBS)
    _finish_metadata(archive, files, directory, session_id, settle)


def is_document(name: str) -> bool:
    """Whether a part is a session document that may be put into a directory by its name."""
    document = name.removeprefix(f"{DOCUMENTS}/")
    return (
        document != name
        and document.endswith(".md")
        and not document.startswith(".")
        and "/" not in document
        and document.isprintable()
        and len(document.encode("utf-8", "surrogateescape")) <= 255
    )


def documents(archive: Archive) -> Iterator[tuple[str, Entry]]:
    """The names of the session's documents, and where each is; ``archive.chunks`` reads one."""
    for entry in archive.entries:
        if is_document(entry.name):
            yield entry.name.removeprefix(f"{DOCUMENTS}/"), entry


def _write(files: Files, path: Path, chunks: Iterable[bytes]) -> None:
    fd = files.create(path)
    try:
        for chunk in chunks:
            files.write(fd, chunk)
        files.sync(fd)
    finally:
        files.close(fd)


def _finish_metadata(archive: Archive, files: Files, directory: Path, session_id: str, settle: Settle) -> None:
    """As it was exported where that may stand here, with this id; else mended, or as it is settled."""
    path = directory / METADATA
    known = _metadata_as_it_stands(files, path)
    try:
        said = known or read_metadata(files, directory).metadata
    except AgentdError as error:
        raise ImportFailed(f"Nothing was imported: {error.message}") from error
    if known is None:
        archive.problems.append(f"{METADATA} could not be read. What could be saved of it was made anew.")
    settled = settle(said.changed(id=archive.session_id or session_id)).changed(id=session_id)
    if settled == known:
        return
    with suppress(FileNotFoundError):
        files.unlink(path)
    files.write_new(path, settled.dump_json())


def _metadata_as_it_stands(files: Files, path: Path) -> Metadata | None:
    try:
        return Metadata.model_validate_json(files.small_file(path, LARGEST_METADATA))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImportFailed(f"Nothing was imported: {METADATA}: {words(error)}") from error
    except ValidationError:
        return None
