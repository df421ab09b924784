"""Large files: memory follows a line and a turn, not the file."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.errors import ImportFailed, RequestCancelled
from agentd.importing import pieces
from agentd.importing.pieces import MOST_CONTAINERS, SMALL
from agentd.importing.problems import MOST, Problems
from agentd.importing.recognise import read_file
from agentd.importing.source import Content, Lines
from tests.importing.reads import drawn
from tests.support.home import REPOSITORY

MEASURE = """
import resource, sys
from contextlib import ExitStack
from pathlib import Path
from agentd.importing.opening import read_path
from agentd.importing.counting import Target
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with ExitStack() as stack:
    before = peak()
    reading = read_path(Path(sys.argv[1]), None, lambda: False, stack)
    target = Target(lambda data: "", "2026-01-01T00:00:00.000Z")
    for _ in reading.drafts(target):
        pass
    print(peak() - before, target.counts.turns, target.counts.tools)
"""


def line(kind: str, uuid: str, parent: str | None, content: object) -> bytes:
    message = {"role": kind, "id": f"m{uuid}", "content": content}
    return json.dumps({"type": kind, "uuid": uuid, "parentUuid": parent, "message": message}).encode() + b"\n"


def measured(path: Path) -> tuple[int, int, int]:
    """Megabytes beyond what the program itself takes, turns and tool calls; in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=100
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    memory, turns, tools = map(int, done.stdout.split())
    return memory, turns, tools


def test_memory_does_not_follow_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for number in range(1000):
            before = f"{number - 1}d" if number else None
            file.write(line("user", f"{number}a", before, f"prompt {number}"))
            call = {"type": "tool_use", "id": f"t{number}", "name": "read", "input": {}}
            file.write(line("assistant", f"{number}b", f"{number}a", [call]))
            result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": f"{number} " * 20_000}
            file.write(line("user", f"{number}c", f"{number}b", [result]))
            file.write(line("assistant", f"{number}d", f"{number}c", [{"type": "text", "text": "done"}]))
    assert path.stat().st_size > 75_000_000
    memory, turns, tools = measured(path)
    assert (turns, tools) == (1000, 1000)
    assert memory < 30


def test_a_line_of_a_hundred_megabytes_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "line.jsonl"
    with path.open("wb") as file:
        file.write(line("user", "a", None, "read it"))
        file.write(line("assistant", "b", "a", [{"type": "tool_use", "id": "t", "name": "read", "input": {}}]))
        result = {"type": "tool_result", "tool_use_id": "t", "content": "x" * 100_000_000}
        file.write(line("user", "c", "b", [result]))
        file.write(line("assistant", "d", "c", [{"type": "text", "text": "done"}]))
    memory, turns, tools = measured(path)
    assert (turns, tools) == (1, 1)
    assert memory < 150


def test_a_line_of_countless_objects_costs_itself() -> None:
    objects = b'{"x":[' + b"{}," * (MOST_CONTAINERS + 1) + b"{}]}\n"
    result = drawn(read_file(Content(line("user", "a", None, "one") + objects), "input", None, lambda: False))
    assert [turn.items[0].text for turn in result.turns] == ["one"]
    assert result.reading.problems.texts == ("Line 2 holds more than any session does: left out.",)


def test_a_document_of_countless_objects_is_refused() -> None:
    data = b'{"session_id":"s","messages":[\n' + b"{}," * (20 << 20) + b'{"role":"user","content":"x"}]}'
    with pytest.raises(ImportFailed, match="more objects and values"):
        read_file(Content(data), "input", None, lambda: False)
    with pytest.raises(ImportFailed, match="of 70,000,0"):
        read_file(Content(b'{"session_id":"' + b"s" * 70_000_000 + b'"}'), "input", None, lambda: False)
    with pytest.raises(RequestCancelled):
        read_file(Content(data), "input", None, iter([False] * 70 + [True] * 5).__next__)


def test_a_document_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    messages = [{"role": ("user", "assistant")[number % 2], "content": f"{number:04} " * 400} for number in range(2000)]
    whole = json.dumps({"session_id": "s", "messages": messages}).encode()
    assert len(whole) > 2 * SMALL
    assert len(drawn(read_file(Content(whole), "input", None, lambda: False)).turns) == 1000
    cut = drawn(read_file(Content(whole[: len(whole) // 2]), "input", None, lambda: False))
    assert 480 < len(cut.turns) < 520
    assert "cut off" in cut.reading.problems.texts[-1]


def values() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers(-1 << 62, 1 << 62) | st.text(max_size=30) | st.sampled_from(
        ["\\", '"', "[{,]}", "\\\""]
    )  # fmt: skip
    return st.recursive(
        plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner), max_leaves=15
    )


@settings(max_examples=100, deadline=None)
@given(
    value=st.lists(values()) | st.dictionaries(st.text(max_size=4), values()), plain=st.booleans(), cut=st.floats(0, 1)
)
def test_pieces_make_the_whole(value: Any, plain: bool, cut: float) -> None:
    """However small the pieces are: what is parsed is what one parse makes of it, and an end too early is no crash."""
    data = json.dumps(value, ensure_ascii=plain).encode()
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("SMALL", 0), ("PIECE", 8), ("WINDOW", 3)):
            patch.setattr(pieces, name, size)
        assert pieces.parse_large(data) == value
        with suppress(ValueError):
            assert isinstance(pieces.parse_large(data[: int(len(data) * cut)], cut_off=True), dict | list)


def test_a_line_beyond_all_sense_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentd.importing.source.LONGEST_LINE", 2_000_000)
    data = line("user", "a", None, "one") + b'{"x":"' + b"y" * 5_000_000 + b'"}\n' + line("user", "b", "a", "two")
    result = drawn(read_file(Content(data), "input", None, lambda: False))
    assert [turn.items[0].text for turn in result.turns] == ["one", "two"]
    assert result.reading.problems.texts == ("Line 2 is too long: left out.",)


def test_warnings_are_no_more_than_somebody_reads() -> None:
    data = line("user", "a", None, "one") + b"damaged\n" * 10_000
    texts = drawn(read_file(Content(data), "input", None, lambda: False)).reading.problems.texts
    assert len(texts) == MOST + 1
    assert texts[-1] == f"… and {10_000 - MOST:,} more like these."


def test_an_import_that_nobody_wants_ends() -> None:
    with pytest.raises(RequestCancelled):
        list(Lines(Content(b'{"a":1}\n' * 10), lambda: True).all(Problems()))


def test_a_message_that_is_nested_without_end_costs_itself() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    data = line("user", "a", None, "one") + b'{"type":"user","message":{"content":' + deep + b"}}\n"
    assert len(drawn(read_file(Content(data), "input", None, lambda: False)).turns) == 1


def test_many_prompts_on_one_long_branch_are_soon_told() -> None:
    """Each hangs on the end of a branch of thousands of lines that the conversation does not have."""
    lines = [line("user", "p", None, "one"), line("assistant", "q", "p", "reply")]
    lines += [line("assistant", f"b{number}", f"b{number - 1}" if number else "p", "…") for number in range(5000)]
    lines += [line("user", f"c{number}", "b4999", f"left {number}") for number in range(5000)]
    lines += [line("user", "z", "q", "two")]
    begun = time.process_time()
    result = drawn(read_file(Content(b"".join(lines)), "input", None, lambda: False))
    assert time.process_time() - begun < 10
    assert [turn.items[0].text for turn in result.turns] == ["one", "two"]
    assert "5000 prompts" in result.reading.problems.texts[-1]
