"""The first words of a README: prose only."""

from agentd.core.readme import first_words

README = """# weather

[![build](badge.svg)](x)
![screen](screen.png)

Reads weather reports
and explains them.

```sh
pip install weather
```

| a | b |
|---|---|

Second paragraph.
"""


def test_prose_alone_is_kept() -> None:
    assert first_words(README, 600) == "Reads weather reports and explains them.\n\nSecond paragraph."


def test_whole_paragraphs_up_to_the_limit() -> None:
    assert first_words(README, 45) == "Reads weather reports and explains them."
    assert first_words("word " * 100, 20) == "word word word word"


def test_a_readme_without_prose_says_nothing() -> None:
    assert first_words("# title\n\n```\ncode\n```\n", 600) == ""
    assert first_words("", 600) == ""
