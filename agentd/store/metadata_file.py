"""``metadata.json``: read whatever state it is in, replaced atomically. What is lost of it is made anew from the
transcript as well as that can be done. Blocking: call from a worker.
"""

import json
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from agentd.core.metadata import METADATA_VERSION, Metadata
from agentd.errors import LoadFailed
from agentd.store.files import Files, loading, saving
from agentd.store.lines import now
from agentd.store.reader import Problems, Reader
from agentd.store.transcript import Segment, segment_number

NAME = "metadata.json"
DAMAGED = "metadata.json.damaged"
_FIELD = re.compile(r'^  "(\w+)": ', re.MULTILINE)
_DECODER = json.JSONDecoder(strict=False)


class Read(NamedTuple):
    """``newer``: a later version of agentd wrote it. ``whole``: as it stands on disk; else it was mended."""

    metadata: Metadata
    problems: tuple[str, ...]
    newer: bool
    whole: bool


def write_metadata(files: Files, directory: Path, batch: Sequence[Metadata]) -> None:
    """The newest of these values replaces the file: the others would not have been seen."""
    with saving("session metadata"):
        files.replace(directory / NAME, batch[-1].dump_json())


def read_metadata(files: Files, directory: Path) -> Read:
    """A session's metadata; LoadFailed when there is nothing to make it of."""
    session_id = directory.name
    try:
        data = files.contents(directory / NAME)
    except FileNotFoundError:
        return Read(rebuilt(files, directory, {}), (f"{NAME} is missing. It was made anew.",), False, False)
    except OSError as error:
        with loading():
            raise error
    try:
        metadata = Metadata.model_validate_json(data)
        if metadata.id == session_id:
            return Read(metadata, (), metadata.version > METADATA_VERSION, True)
        return Read(metadata.changed(id=session_id), (), metadata.version > METADATA_VERSION, True)
    except ValidationError:
        values = _saved_fields(data)
    version = values.get("version")
    newer = isinstance(version, int) and version > METADATA_VERSION
    problem = f"{NAME} is damaged. What could not be read of it was made anew; the damaged file is kept beside it."
    return Read(rebuilt(files, directory, values), (problem,), newer, False)


def _saved_fields(data: bytes) -> dict[str, Any]:
    """What can be read of a damaged file. In ours each field begins a line, so a bad byte costs one field."""
    text = data.decode("utf-8", "replace")
    saved: dict[str, Any] = {}
    try:
        whole = _DECODER.decode(text)
        return whole if isinstance(whole, dict) else saved
    except (ValueError, RecursionError):
        pass
    for field in _FIELD.finditer(text):
        with suppress(ValueError, RecursionError):
            saved[field.group(1)] = _DECODER.raw_decode(text, field.end())[0]
    return saved


def rebuilt(files: Files, directory: Path, saved: dict[str, Any]) -> Metadata:
    """Metadata from what the transcript says and the fields that could be saved, which come first."""
    values = {**_from_transcript(files, directory), **saved, "id": directory.name}
    while True:
        try:
            return Metadata.model_validate(values)
        except ValidationError as error:
            wrong = {str(place["loc"][0]) for place in error.errors(include_url=False, include_input=False)}
            if not wrong & values.keys():
                raise LoadFailed("its metadata is damaged") from error
            derived = _from_transcript(files, directory)
            for name in wrong:
                # A saved value that is wrong gives way to the derived one, and that one to the default.
                if name in derived and values.get(name) != derived[name]:
                    values[name] = derived[name]
                else:
                    values.pop(name, None)


def _from_transcript(files: Files, directory: Path) -> dict[str, Any]:
    with loading():
        segments = list_segments(files, directory)
    if not segments:
        raise LoadFailed("there is neither metadata nor a transcript")
    prompts: list[str] = []
    turns: set[int] = set()
    messages, first, last = 0, "", ""
    with loading(), closing(Reader(files, segments, Problems(), 1 << 16).lines()) as met:
        for line in met:
            head = line.head
            if line.void or head is None:
                continue
            first, last = head.time, last or head.time
            if head.turn > 0:
                turns.add(head.turn)
            messages += head.kind in ("prompt", "text")
            for found in line.read() if head.kind == "prompt" else ():
                if isinstance(text := found.record.body.get("text"), str):
                    # Newest first: the last one met is the session's first.
                    prompts[1:] = [text]
    made = first or now()
    values: dict[str, Any] = {"created": made, "last_active": last or made}
    if prompts:
        values |= {"first_message": prompts[-1][:500], "last_prompt": prompts[0][:500]}
    return values | {"turn_count": len(turns), "message_count": messages}


def list_segments(files: Files, directory: Path) -> tuple[Segment, ...]:
    """The files of a session's transcript in order, as they stand on disk. Raises OSError."""
    found = []
    for entry in files.names(directory):
        number = segment_number(entry)
        if number is not None:
            path = directory / entry
            found.append(Segment(path, number, files.stat(path).st_size))
    return tuple(sorted(found, key=lambda segment: segment.number))
