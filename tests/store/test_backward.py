"""Reading lines from the end, whatever their lengths and wherever the blocks fall."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentd.store import backward
from agentd.store.backward import Line, lines_backward, squeezed
from agentd.store.files import Files

FILES = Files()
LINES = st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")), max_size=20)
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_back(path: Path, end: int, longest: int) -> list[Line]:
    fd = FILES.open_read(path)
    try:
        return list(lines_backward(FILES, fd, end, longest))
    finally:
        FILES.close(fd)


@REUSED
@given(content=LINES, torn=st.binary(max_size=9), longest=st.integers(1, 80), block=st.integers(1, 70))
def test_every_line_once_last_one_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: list[bytes], torn: bytes, longest: int, block: int
) -> None:
    monkeypatch.setattr(backward, "FIRST_BLOCK", block)
    monkeypatch.setattr(backward, "BLOCK", block)
    data = b"".join(line + b"\n" for line in content) + torn.replace(b"\n", b"")
    path = tmp_path / "lines"
    path.write_bytes(data)
    wanted = data.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    found = read_back(path, len(data), longest)
    assert [data[line.start : line.end] for line in found] == wanted[::-1]
    for line in found:
        assert (line.data is None) == (line.end - line.start > longest)
        assert line.data is None or line.data == data[line.start : line.end]


def test_what_is_after_the_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"one\ntwo\nthr")
    assert [line.data for line in read_back(tmp_path / "lines", 8, 100)] == [b"two", b"one"]
    assert read_back(tmp_path / "lines", 0, 100) == []


def test_a_file_that_became_shorter_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"one\n")
    assert read_back(tmp_path / "lines", 500, 100) == []


@REUSED
@given(
    fields=st.dictionaries(st.text("abc", min_size=1), st.text(max_size=400) | st.integers(), max_size=5),
    ascii_only=st.booleans(),
    block=st.integers(1, 90),
    longest=st.integers(0, 120),
)
def test_squeezed_lines_are_json_whose_strings_begin_as_they_did(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, str | int],
    ascii_only: bool,
    block: int,
    longest: int,
) -> None:
    monkeypatch.setattr(backward, "BLOCK", block)
    text = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "replace")
    path = tmp_path / "line"
    path.write_bytes(text + b"\n")
    fd = FILES.open_read(path)
    try:
        data = squeezed(FILES, fd, Line(0, len(text), None), max(longest, 80))
    finally:
        FILES.close(fd)
    assert data is not None
    whole, cut = json.loads(text), json.loads(data.decode())
    assert cut.keys() == whole.keys()
    for key, value in whole.items():
        if isinstance(value, str) and cut[key] != value:
            kept, note = cut[key].split("\n[… ", 1)
            assert value.startswith(kept) and note.endswith("bytes are left out here …]")
        else:
            assert cut[key] == value


def test_a_line_that_is_long_without_long_strings_is_given_up(tmp_path: Path) -> None:
    text = json.dumps([1] * 100_000).encode()
    (tmp_path / "line").write_bytes(text)
    fd = FILES.open_read(tmp_path / "line")
    try:
        assert squeezed(FILES, fd, Line(0, len(text), None), 1000) is None
    finally:
        FILES.close(fd)
