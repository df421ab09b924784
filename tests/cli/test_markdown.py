"""Markdown as it streams: the same lines as all at once, each block drawn for good once, nothing above the screen."""

import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from agentd.cli.markdown import Blocks, rendered
from agentd.cli.region import STYLE, Region

PIECES = st.sampled_from([
    "# Title\n", "words and words ", "\n", "\n\n", "- item\n", "  more\n", "1. one\n", "2. two\n", "```python\n",
    "x = 1\n", "```\n", "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "> quote\n", "---\n", "===\n",
    "*em* **strong** `code`", "    indented\n", "<b>html</b>\n", "\\", "[a](b)", "日本語 ", "🙂", "\t", "~~~\n",
])  # fmt: skip
MARKDOWN = st.lists(PIECES, max_size=30).map("".join)


@given(MARKDOWN, st.integers(1, 7))
def test_blocks_lose_and_repeat_nothing(text: str, size: int) -> None:
    blocks, cut = Blocks(), ""
    for start in range(0, len(text), size):
        blocks.add(text[start : start + size])
        cut += blocks.finished()
    assert cut + blocks.rest() == text


@settings(deadline=None, max_examples=50)
@given(MARKDOWN, st.integers(1, 7))
def test_what_is_finished_does_not_change(text: str, size: int) -> None:
    """Cut where the stream happened to be cut, it reads as the whole does: the same words in the same order."""
    blocks, lines = Blocks(), list[str]()
    for start in range(0, len(text), size):
        blocks.add(text[start : start + size])
        lines += plain(blocks.finished())
    lines += plain(blocks.rest())
    assert words(lines) == words(plain(text))


def plain(text: str, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, emoji=False, markup=False)
    return [STYLE.sub("", line) for line in rendered(text, console)] if text.strip() else []


def words(lines: list[str]) -> list[str]:
    return [word for line in lines for word in line.replace("─", "").replace("━", "").split()]


@pytest.mark.parametrize(
    "said",
    [
        "Use Vec<String> and Map<K, V> here.",
        "<div>\n  some text\n</div>",
        "<details>\n<summary>More</summary>\n\ninside\n\n</details>",
        "Press <kbd>Ctrl</kbd> now",
        "before\n\n<!-- a remark\nof two lines -->\n\nafter",
        "See ![a chart](https://x.test/chart.png)",
        "See [1].\n\n[1]: https://x.test/page",
        "- item with <b>html</b>\n- Vec<T>",
        "| a |\n|---|\n| Vec<T> |",
        "### About <T>",
    ],
)
def test_html_and_what_a_terminal_does_not_know_is_shown_as_it_was_written(said: str) -> None:
    shown = "".join("".join(plain(said, 80)).split())
    for word in said.replace("|", " ").replace("---", " ").replace("###", " ").split():
        assert word.strip("-") in shown, (word, shown)


def test_nothing_is_lost_in_a_narrow_table() -> None:
    name = "idle_minutes_of_the_daemon"
    shown = "".join(plain(f"| Name |\n|---|\n| {name} |\n", 20)).replace("─", "")
    assert shown == f"Name{name}"


def test_code_keeps_every_character_when_it_is_wrapped() -> None:
    code = "result = compute(alpha, beta, gamma, delta, epsilon, zeta)"
    assert "".join(plain(f"```python\n{code}\n```", 30)).replace(" ", "") == code.replace(" ", "")
    assert max(map(len, plain(f"```python\n{code}\n```", 30))) <= 30


@contextmanager
def screen(columns: int, rows: int) -> Iterator[tuple[Region, int]]:
    """A region on a terminal of this size, and where what it writes can be read."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        with open(slave, "w", closefd=False) as out:
            yield Region(out), master
    finally:
        os.close(master)
        os.close(slave)


def writes(master: int, expected: str) -> bool:
    """Whether just this was written; a terminal may hand it out in pieces."""
    data = b""
    while len(data) < len(expected.encode()) + expected.count("\n"):
        data += os.read(master, 65536)
    return data.decode().replace("\r\n", "\n") == expected


def test_only_what_differs_is_written_again() -> None:
    with screen(80, 24) as (region, master):
        region.draw(["one", "two"])
        assert writes(master, "one\ntwo\n")
        region.draw(["one", "two and", "three"])
        assert writes(master, "\x1b[1A\r\x1b[Jtwo and\nthree\n")


def test_what_has_not_changed_is_not_touched() -> None:
    with screen(80, 24) as (region, master):
        region.draw(["one"])
        region.draw(["one"])
        region.draw(["one", "two"])
        assert writes(master, "one\ntwo\n")


def test_no_more_than_the_screen_is_drawn() -> None:
    with screen(80, 5) as (region, master):
        region.draw([str(number) for number in range(100)])
        assert writes(master, "96\n97\n98\n99\n")


def test_settled_lines_are_left_alone() -> None:
    with screen(80, 24) as (region, master):
        region.draw(["half"])
        region.settle(["whole"])
        region.draw(["next"])
        assert writes(master, "half\n\x1b[1A\r\x1b[Jwhole\nnext\n")


@pytest.mark.parametrize(("before", "after", "up"), [(80, 20, 3), (20, 80, 1)])
def test_a_resized_terminal_has_wrapped_the_lines_anew(before: int, after: int, up: int) -> None:
    with screen(before, 24) as (region, master):
        region.draw(["x" * 50])
        assert writes(master, "x" * 50 + "\n")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, after, 0, 0))
        region.draw(["y"])
        assert writes(master, f"\x1b[{up}A\r\x1b[Jy\n")
