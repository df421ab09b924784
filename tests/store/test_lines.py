"""One line: what is written is read, and what is damaged is told from what is whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.core.records import Draft
from agentd.store import lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text().filter(lambda key: key not in lines.ENVELOPE), JSON, max_size=5)


def line_of(seq: int, draft: Draft) -> bytes:
    return lines.record_line(seq, lines.fragment(draft, lines.now()))


def readable(value: object) -> object:
    """Half a surrogate pair cannot be kept in UTF-8."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 40), st.sampled_from(["text", "tool", "turn", "strange"]), BODIES)
def test_what_is_written_is_read(seq: int, turn: int, kind: str, body: dict[str, object]) -> None:
    line = line_of(seq, Draft(turn, kind, body))
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    record = lines.parse(line[:-1])
    assert record is not None and not record.flagged
    assert (record.seq, record.turn, record.kind) == (seq, turn, kind)
    assert record.body == readable(body)
    head = lines.head(line)
    assert head is not None and (head.seq, head.turn, head.kind, head.time) == (seq, turn, kind, record.time)


@given(BODIES, st.data())
def test_a_changed_byte_is_noticed(body: dict[str, object], data: st.DataObject) -> None:
    line = line_of(7, Draft(3, "text", body))[:-1]
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    record = lines.parse(line[:place] + bytes([byte]) + line[place + 1 :])
    assert record is None or record.flagged


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    lines.parse(data)
    lines.parse_damaged(data)
    lines.head(data)
    assert 0 <= lines.whole_part(data) <= len(data)


@pytest.mark.parametrize("byte", [b"x", b"\0", b"\xff", b'"', b"}"])
def test_two_lines_joined_by_a_bad_byte_are_both_saved(byte: bytes) -> None:
    first, second = (line_of(seq, Draft(1, "text", {"text": f"{seq} {{“"}))[:-1] for seq in (5, 6))
    saved = lines.parse_damaged(first + byte + second)
    assert [record.seq for record in saved] == [5, 6]


def test_a_line_edited_by_hand_is_used_and_flagged() -> None:
    record = lines.parse(b'{"v": 1, "seq": 4, "turn": 2, "time": "", "kind": "text", "id": "2.1", "text": "mine"}')
    assert record is not None and record.flagged and record.body == {"id": "2.1", "text": "mine"}


def test_invalid_utf8_costs_a_character_not_the_record() -> None:
    line = line_of(1, Draft(1, "text", {"text": "naïve"}))[:-1]
    record = lines.parse(line.replace("ï".encode(), b"\xff"))
    assert record is not None and record.flagged and record.body["text"] == "na\ufffdve"


def test_nesting_without_end_is_a_line_that_does_not_parse() -> None:
    assert lines.parse(b'{"seq":1,"kind":"text","deep":' + b"[" * 100_000) is None


def test_fields_of_the_envelope_win() -> None:
    record = lines.parse(line_of(3, Draft(2, "text", {"seq": 99, "crc": "no", "text": "kept"}))[:-1])
    assert record is not None and (record.seq, record.body) == (3, {"text": "kept"})
