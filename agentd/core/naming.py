"""A short name for a session: made of its first prompt's words, or asked of a model and made fit. Pure."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 50
"""Characters of an automatic name."""
ASK: Final = (
    "Name this conversation in at most six words, in the language of the person's message. "
    "Answer with the name alone: no quotes, no full stop, no explanation."
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTES = "\"'`*_#«»“”‘’„‚「」『』 \t"
_MARKUP = re.compile(r"\*\*|`")
_LABEL = re.compile(r"^(?:title|name|session name|conversation name|titel|titre|título)\s*[:\uff1a]\s*", re.IGNORECASE)
_OPENING = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|so|well|please|and|also|now|thanks)\b[\s,.!:;-]*"
    r"|(?:can|could|would|will) you (?:please )?(?:help me (?:to )?)?"
    r"|(?:i (?:want|need|would like)|i'd like|help me|let's|let us)(?: you)?(?: to)? )+",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?。!?])\s+|[。!?]")


def from_words(prompt: str) -> str | None:
    """The first sentence of a prompt, without what only opens it; None when it has no words."""
    text = _FENCE.sub("\n", prompt).strip() or prompt
    line = next((line for line in text.splitlines() if any(char.isalnum() for char in line)), "")
    line = " ".join(_printable(line).split())
    sentence = _SENTENCE.split(line.lstrip("#>-*•· \t"), maxsplit=1)[0]
    short = _OPENING.sub("", sentence).strip() or sentence
    return _cut(short[:1].upper() + short[1:])


def from_reply(reply: str) -> str | None:
    """What a model answered, as a name; None when it is none."""
    line = next((line.strip() for line in reply.splitlines() if line.strip()), "")
    line = " ".join(_printable(line).split())
    return _cut(_LABEL.sub("", line.strip(_QUOTES)).strip(_QUOTES))


def _printable(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    plain = _MARKUP.sub("", text)
    return "".join(char if char.isprintable() or char == "\u200d" else " " for char in plain)


def _cut(text: str) -> str | None:
    """At most LONGEST characters, at the end of a word where there is one."""
    text = text.strip().rstrip(".,:;。 ")
    if len(text) > LONGEST:
        head = text[: LONGEST - 1]
        space = head.rfind(" ")
        text = (head[:space] if space >= LONGEST // 2 else head).rstrip(" ,:;-–(") + "…"
    return text if any(char.isalnum() for char in text) else None
