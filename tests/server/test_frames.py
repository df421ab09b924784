"""Frames, as values: however the bytes are cut, the bodies are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.server.frames import BadFrame, FrameReader, framed


def all_of(reader: FrameReader) -> list[bytes]:
    bodies = []
    while (body := reader.next()) is not None:
        bodies.append(body)
    return bodies


@given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(0, 400), max_size=12))
def test_bodies_come_out_as_they_went_in(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, bodies))
    reader, found, before = FrameReader(), list[bytes](), 0
    for cut in [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]:
        reader.feed(stream[before:cut])
        found += all_of(reader)
        before = cut
    assert found == bodies


@given(st.binary(max_size=300))
def test_any_bytes_are_waited_for_or_refused(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    try:
        all_of(reader)
    except BadFrame as bad:
        assert bad.code in (-32700, -32600)


def test_a_header_of_the_full_length_is_taken_and_one_byte_more_is_not() -> None:
    fit = b"X: " + b"y" * (8192 - 3 - 2 - 17 - 4) + b"\r\nContent-Length: 0\r\n\r\n"
    reader = FrameReader()
    reader.feed(fit)
    assert len(fit) <= 8192
    assert reader.next() == b""
    reader.feed(b"X" * 8192)
    with pytest.raises(BadFrame) as bad:
        reader.next()
    assert bad.value.lost
