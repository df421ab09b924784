"""What is indexed of a text: itself, and the parts of its identifiers."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from agentd.core.words import PARTED, indexed, parts_of

IDENTIFIER = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[A-Z][a-z])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")


def test_identifiers_are_followed_by_their_parts() -> None:
    text = "fn parseHTTPHeader2(userName) { userName.x2 = plain_words; }"
    assert indexed(text) == "\n".join([text, f"{PARTED} parse HTTP Header 2", f"{PARTED} user Name", f"{PARTED} x 2"])


def test_a_text_without_identifiers_is_itself() -> None:
    assert indexed("Plain words, IN CAPITALS, and 42.") == "Plain words, IN CAPITALS, and 42."


@given(st.text(st.sampled_from("abAB09_ -.é漢\n\u0301")))
@example("éaB")
@example("aBé2b")
@example("AAa AAa1 1a")
def test_the_identifiers_are_those_that_a_plain_reading_finds(text: str) -> None:
    words = dict.fromkeys(word for word in re.findall("[A-Za-z0-9]+", text) if IDENTIFIER.search(word))
    parts = [f"{PARTED} {' '.join(parts)}" for word in words if (parts := parts_of(word))]
    assert [line for line in indexed(text).split("\n") if line.startswith(PARTED)] == parts
