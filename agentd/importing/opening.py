"""From a place on disk, or a text, to what is read of it: files that belong together are found, and kept open."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from agentd.errors import ImportFailed
from agentd.importing import amazonq, documents, files
from agentd.importing import values as v
from agentd.importing.problems import Problems
from agentd.importing.reading import Reading
from agentd.importing.recognise import LOOKED_FOR, Stopped, read_file
from agentd.importing.source import Content, Lines, Source
from agentd.importing.values import Json
from agentd.protocol import ImportFormat

METADATA, TRANSCRIPT, BACKUP = "metadata.json", "transcript.jsonl", ".backup"
MOST_AGENTS = 200


def read_text(content: str, wanted: ImportFormat | None, stopped: Stopped) -> Reading:
    """Of a text that came over the wire."""
    return read_file(Content(content.encode("utf-8", "surrogatepass")), "imported", wanted, stopped)


def read_path(path: Path, wanted: ImportFormat | None, stopped: Stopped, stack: ExitStack) -> Reading:
    """Of a file or a directory; ``stack`` keeps the files open until the records are drawn. Raises ImportFailed."""
    if files.is_directory(path):
        return _read_directory(path, wanted, stopped, stack)
    source = stack.enter_context(files.opened(path))
    if path.name in (METADATA, TRANSCRIPT):
        with suppress(ImportFailed):
            return _read_directory(path.parent, wanted, stopped, stack)

    def others() -> Sequence[tuple[str, Source]]:
        return _agents_of(path, stack)

    return read_file(source, path.stem, wanted, stopped, others)


def _read_directory(path: Path, wanted: ImportFormat | None, stopped: Stopped, stack: ExitStack) -> Reading:
    names = files.names_in(path)
    problems = Problems()
    metadata = _metadata(path, names, problems)
    if amazonq.is_workspace(metadata) and wanted in (None, "amazonq"):
        return amazonq.read_workspace(metadata, _documents(path, names, problems), problems)
    transcript = next((name for name in (TRANSCRIPT, TRANSCRIPT + BACKUP) if name in names), None)
    if (documents.is_amplifier(metadata) or (transcript and not metadata)) and wanted in (None, "amplifier"):
        if transcript is None:
            raise ImportFailed(f"{path.name} is a session of Amplifier without a transcript: nothing to import.")
        if transcript != TRANSCRIPT:
            problems.note(f"{TRANSCRIPT} is missing: its backup was read.")
        source = stack.enter_context(files.opened(path / transcript, follow=False))
        return documents.read_amplifier(metadata, Lines(source, stopped), path.name, problems)
    transcripts = [name for name in names if name.endswith((".jsonl", ".json", ".toon"))]
    if len(transcripts) == 1 and not metadata:
        source = stack.enter_context(files.opened(path / transcripts[0], follow=False))
        return read_file(
            source, Path(transcripts[0]).stem, wanted, stopped, lambda: _agents_of(path / transcripts[0], stack)
        )
    if transcripts:
        raise ImportFailed(
            f"{path.name} is no session's directory, but {len(transcripts):,} files in it may be sessions: name one of "
            "them, or let agentd look for this project's ('agentd session import --scan')."
        )
    raise ImportFailed(f"No session is recognised in the directory {path.name}: {LOOKED_FOR}.")


def _metadata(path: Path, names: Sequence[str], problems: Problems) -> Json:
    """Of a session's directory; its backup where it is damaged; empty when there is none that can be read."""
    for name in (METADATA, METADATA + BACKUP):
        if name in names:
            data = files.small_file(path / name)
            try:
                known = v.parse_json(data) if data is not None else None
            except ValueError:
                known = None
            if isinstance(known, dict):
                return known
            problems.note(f"{name} is damaged: what it said is not known.")
    return {}


def _documents(path: Path, names: Sequence[str], problems: Problems) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    wanted = [name for name in names if name.endswith(".md") and not name.startswith(".")]
    for name in wanted[: files.MOST_DOCUMENTS]:
        data = files.small_file(path / name)
        if data is None:
            problems.note(f"The document {name} cannot be read or is too large: left out.")
        else:
            found[name] = data
    if len(wanted) > files.MOST_DOCUMENTS:
        problems.note(f"Of {len(wanted):,} documents the first {files.MOST_DOCUMENTS} are imported.")
    return found


def _agents_of(path: Path, stack: ExitStack) -> list[tuple[str, Source]]:
    """The transcripts of a Claude Code session's sub-agents: in a directory of its name, beside it."""
    directory = path.parent / path.stem / "subagents"
    found: list[tuple[str, Source]] = []
    for name in files.names_in(directory)[:MOST_AGENTS]:
        if name.startswith("agent-") and name.endswith(".jsonl"):
            with suppress(ImportFailed):
                source = stack.enter_context(files.opened(directory / name, follow=False))
                found.append((name.removesuffix(".jsonl"), source))
    return found
