"""What a prompt names, and cutting lines and ranges as people and editors count them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.mentions import HIGHEST, Mention, cut_lines, cut_range, mentions
from agentd.protocol import Position, Range

A = Mention("a.py", sure=True)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("look at @a.py please", [A]),
        ("@a.py", [A]),
        ("(@a.py)", [A]),
        ("**@a.py**", [A]),
        ("[@a.py]", [A]),
        ("see @a.py.", [A]),
        ("see @a.py, @a.py; @a.py: @a.py! @a.py? @a.py…", [A]),
        ("“@a.py” and 「見て@a.py」", [A]),
        ("@a.py。", [A]),
        ("@a.py\n@b.py\r\n@c.py", [A, Mention("b.py", sure=True), Mention("c.py", sure=True)]),
        ('@"my notes/a b.md" here', [Mention("my notes/a b.md", sure=True)]),
        ('@"unclosed quote', []),
        ('@""', []),
        ("@src/a.py:10-40", [Mention("src/a.py", 10, 40, True)]),
        ("@src/a.py:10.", [Mention("src/a.py", 10, 10, True)]),
        ("@src/a.py:10:5", [Mention("src/a.py", 10, 10, True)]),
        ("@src/a.py:40-10", [Mention("src/a.py", 10, 40, True)]),
        ("@src/a.py:0-0", [Mention("src/a.py", 1, 1, True)]),
        ("@src/a.py:7-", [Mention("src/a.py", 7, 7, True)]),
        ("@src/a.py:-7", [Mention("src/a.py", sure=True)]),
        ("@src/a.py:x", [Mention("src/a.py", sure=True)]),
        ('@"a b.md":2-3', [Mention("a b.md", 2, 3, True)]),
        ("@a.py:" + "9" * 5000, [Mention("a.py", HIGHEST, HIGHEST, True)]),
        ("@a.py:1-" + "9" * 5000, [Mention("a.py", 1, HIGHEST, True)]),
        ("@übersicht.md @日本.md", [Mention("übersicht.md", sure=True), Mention("日本.md", sure=True)]),
        ("@app/[id]/page.tsx @app/[id]", [Mention("app/[id]/page.tsx", sure=True), Mention("app/[id]", sure=True)]),
        (
            "@/etc/passwd @~/x @../y @./z",
            [
                *(Mention("/etc/passwd", sure=True), Mention("~/x", sure=True)),
                *(Mention("../y", sure=True), Mention("./z", sure=True)),
            ],
        ),
        ("@Makefile", [Mention("Makefile")]),
        ("ask @alice about it", [Mention("alice")]),
        ("write to alice@example.com or a.b+c@example.com", []),
        ("@@ -1,4 +1,4 @@", []),
        ("@ a", []),
        ("@", []),
        ("@...", []),
        ("@dataclass\nclass A: ...", [Mention("dataclass")]),
        ("@app.route('/x')", [Mention("app.route")]),
        ("`@a.py` and `x = @b.py` and ``@c.py ` d``", []),
        ("```python\n@app.get\n```\n@a.py", [A]),
        ("~~~\n@x.y\n~~~", []),
        ("```\n@never.closed\n", []),
        ("one ` tick and @a.py", [A]),
    ],
)
def test_mentions(prompt: str, found: list[Mention]) -> None:
    assert list(mentions(prompt)) == found


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from([*"@a./:-10\"'`~ \n\\(", "é", "🎉", "\x00", "\u2028"])))
def test_any_prompt_can_be_read(prompt: str) -> None:
    for mention in mentions(prompt):
        assert mention.path
        assert (mention.first is None) == (mention.last is None)
        if mention.first is not None and mention.last is not None:
            assert 1 <= mention.first <= mention.last


@pytest.mark.parametrize(
    ("text", "first", "last", "cut"),
    [
        ("a\nb\nc\n", 1, 1, "a"),
        ("a\nb\nc\n", 2, 3, "b\nc"),
        ("a\nb\nc", 3, 2, "b\nc"),
        ("a\nb\nc", 0, 1, "a"),
        ("a\nb\nc", 2, HIGHEST, "b\nc"),
        ("a\nb\nc", 4, 9, ""),
        ("a\r\nb\r\nc", 2, 2, "b"),
        ("a\rb\rc", 2, 2, "b"),
        ("a\x0cb\u2028c\x85d\ne", 2, 2, "e"),
        ("a\n\nc", 1, 3, "a\n\nc"),
        ("", 1, 5, ""),
    ],
)
def test_lines(text: str, first: int, last: int, cut: str) -> None:
    assert cut_lines(text, first, last) == cut


def between(first: int, at: int, last: int, until: int) -> Range:
    return Range(start=Position(line=first, character=at), end=Position(line=last, character=until))


@pytest.mark.parametrize(
    ("text", "place", "cut"),
    [
        ("hello", between(0, 1, 0, 3), "el"),
        ("one\ntwo\nthree", between(0, 1, 2, 2), "ne\ntwo\nth"),
        ("one\r\ntwo\r\n", between(0, 2, 1, 1), "e\r\nt"),
        ("one\ntwo", between(0, 0, 1, 0), "one\n"),
        ("one\ntwo", between(0, 99, 1, 1), "\nt"),
        ("one\ntwo", between(0, 0, 0, 99), "one"),
        ("one\r\ntwo", between(0, 0, 0, 4), "one"),
        ("one\ntwo", between(1, 0, 99, 0), "two"),
        ("one\ntwo", between(2, 0, 3, 0), ""),
        ("one\ntwo", between(1, 2, 0, 1), ""),
        ("one", between(0, 1, 0, 1), ""),
        ("", between(0, 0, 5, 5), ""),
        ("a🎉b", between(0, 0, 0, 1), "a"),
        ("a🎉b", between(0, 1, 0, 3), "🎉"),
        ("a🎉b", between(0, 3, 0, 4), "b"),
        ("🎉🎉", between(0, 2, 0, 4), "🎉"),
        ("a\x0cb\nc", between(1, 0, 1, 1), "c"),
        ("a\u2028b\nc", between(1, 0, 1, 1), "c"),
    ],
)
def test_ranges(text: str, place: Range, cut: str) -> None:
    assert cut_range(text, place) == cut


@settings(deadline=None)
@given(st.text(alphabet="a🎉é\r\n\x0c", max_size=12), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_a_range_is_what_utf_16_says(text: str, numbers: list[int]) -> None:
    """The same, counted by hand over the UTF-16 units of the whole text, where no position is in half a character."""
    place = between(*numbers)
    starts = [0]
    at = 0
    while at < len(text):
        width = 2 if text[at : at + 2] == "\r\n" else 1
        if text[at] in "\r\n":
            starts.append(at + width)
        at += width

    def offset(position: Position) -> int:
        if position.line >= len(starts):
            return len(text)
        index, units = starts[position.line], 0
        while index < len(text) and text[index] not in "\r\n" and units < position.character:
            units += len(text[index].encode("utf-16-le")) // 2
            index += 1
        return index

    assert cut_range(text, place) == text[offset(place.start) : max(offset(place.start), offset(place.end))]
