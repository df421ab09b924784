"""Names that sessions get by themselves: short, one line, in any language, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.core.metadata import checked_name
from agentd.core.naming import LONGEST, from_reply, from_words


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("fix the test", "Fix the test"),
        ("Hi, can you please fix the flaky test? It fails.", "Fix the flaky test"),
        ("hello", "Hello"),
        ("I want you to add a --json flag to list", "Add a --json flag to list"),
        ("please help me to understand @src/app.py:10-40", "Understand @src/app.py:10-40"),
        ("```py\nx = 1\n```\nwhy does this fail?", "Why does this fail"),
        ("```\nonly code\n```", "Only code"),
        ("# A title\n\nand text", "A title"),
        ("\n\n  - first thing\n- second", "First thing"),
        ("erkläre die Übergabe an den Dienst", "Erkläre die Übergabe an den Dienst"),
        ("バグを直してください。次にテストを書いて", "バグを直してください"),
        ("a" * 80, "A" + "a" * 48 + "…"),
        ("word " * 20, "Word word word word word word word word word…"),
        ("...", None),
        ("Here is **the** `parse_config()` bug", "Here is the parse_config() bug"),
        ("", None),
        ("\x1b[31mred\x07 alert", "[31mred alert"),
    ],
)
def test_words_of_a_prompt(prompt: str, name: str | None) -> None:
    assert from_words(prompt) == name


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("Deadlock in the pool", "Deadlock in the pool"),
        ('Title: "Deadlock in the pool."', "Deadlock in the pool"),
        ("\n\n**Deadlock**\n\nBecause…", "Deadlock"),
        ("«Взаимная блокировка»", "Взаимная блокировка"),
        ("", None),
        ('""', None),
    ],
)
def test_what_a_model_answers(reply: str, name: str | None) -> None:
    assert from_reply(reply) == name


@given(st.text())
def test_any_text_gives_a_sound_name_or_none(text: str) -> None:
    for name in (from_words(text), from_reply(text)):
        if name is not None:
            assert len(name) <= LONGEST
            assert checked_name(name) == name
