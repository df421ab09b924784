"""A profile's file: front matter and body, and the words for what is wrong with one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.core.profile import profile, split


@pytest.mark.parametrize(
    ("text", "front", "body"),
    [
        ("---\nmodel: x\n---\nBe brief.\n", "model: x", "Be brief."),
        ("\ufeff---\r\nmodel: x\r\n---\r\nBe brief.", "model: x", "Be brief."),
        ("---\n---\n", "", ""),
        ("Be brief.\n---\nnot front matter", None, "Be brief.\n---\nnot front matter"),
        ("", None, ""),
    ],
)
def test_split(text: str, front: str | None, body: str) -> None:
    assert split(text) == (front, body)


def test_front_matter_without_an_end() -> None:
    with pytest.raises(ValueError, match="no second ---"):
        split("---\nmodel: x\n")


def test_all_of_it() -> None:
    made = profile("reviewer", "/a", {"description": "d", "model": "m", "mode": "plan", "tools": "a, b"}, "Be strict.")
    assert made.tools == ("a", "b")
    assert made.overlay == {
        "name": "reviewer", "description": "d", "model": "m", "mode": "plan", "tools": ["a", "b"],
        "system": "Be strict.",
    }  # fmt: skip
    assert made.info.dump()["source"] == "/a"
    assert "system" not in made.info.dump()


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("Bad Name", {}, "a-z"),
        ("x" * 33, {}, "a-z"),
        ("a", {"name": "b"}, "not the file's name"),
        ("a", {"temperature": 1}, "temperature: no such setting; known: description"),
        ("a", {"mode": "fast"}, "mode"),
        ("a", {"tools": 5}, "tools"),
        ("a", {"model": ""}, "model"),
        ("a", {"description": ["x"]}, "description"),
    ],
)
def test_wrong_ones_say_what_is_wrong(name: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        profile(name, "", fields, "")


@given(st.text(alphabet="-\n\r: ax\ufeff"))
def test_any_text_splits_or_is_refused(text: str) -> None:
    try:
        front, body = split(text)
    except ValueError:
        return
    assert (front or "") + body in text.replace("\r\n", "\n").replace("\r", "\n") or len(body) <= len(text)
