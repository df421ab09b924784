"""The event cutter: any split of the bytes gives the same events."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.models import sse
from agentd.models.sse import EventBytes

STREAM = (
    b": a comment\n\n"
    b"event: ping\ndata: {}\n\n"
    b'event: content_block_delta\ndata: {"text": "Gr\xc3\xbc\xc3\x9f"}\n\n'
    b"event:tight\ndata:tight\nid: 7\n\n"
    b"data: two\ndata: lines\n\n"
    b"event: no data\n\n"
    b"data:   spaces\n\n"
)
EVENTS = [
    ("ping", b"{}"),
    ("content_block_delta", b'{"text": "Gr\xc3\xbc\xc3\x9f"}'),
    ("tight", b"tight"),
    ("", b"two\nlines"),
    ("", b"  spaces"),
]


@given(st.lists(st.integers(0, len(STREAM) * 2), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans())
def test_any_split_gives_the_same_events(cuts: list[int], newline: bytes, torn: bool) -> None:
    stream = STREAM.replace(b"\n", newline) + (b"data: torn" if torn else b"")
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    cutter = EventBytes()
    events = [event for start, end in itertools.pairwise(edges) for event in cutter.feed(stream[start:end])]
    if newline == b"\r" and not torn:
        # Without a byte after it the last CR may be half a line end.
        events += cutter.feed(b":")
    assert events == EVENTS


def test_an_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    cutter = EventBytes()
    with pytest.raises(ValueError, match="without an end"):
        for _ in range(11):
            cutter.feed(b"x" * 100)
