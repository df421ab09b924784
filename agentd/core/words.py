"""Words of texts and of searches: what is indexed of a text, what a person's query asks for, and where it is found.

Pure. A word is a run of letters and digits; scripts without spaces between words count each character as one.
Identifiers are found by their parts: these are appended to what is indexed, each identifier's behind a mark of its
own, so that quoted words stay side by side only where they do in the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits
from typing import NamedTuple

MAX_QUERY = 1000
MAX_TERMS = 32
_MOST_PARTS = 12
_LONGEST_IDENTIFIER = 128
_MOST_IDENTIFIERS = 2000

# Kana, Han, Hangul, Thai, Lao, Myanmar and Khmer: written without spaces, or searched within words.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_ONE_DENSE = re.compile(f"[{_DENSE}]")
_WORD = re.compile(f"[{_DENSE}]|[^\\W_{_DENSE}](?:[^\\W_{_DENSE}]|[\u0300-\u036f])*")
_CHANGE = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[A-Z][a-z])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_CLASSES = bytes(
    ord("0" if char in digits else "a" if char in ascii_lowercase else "A" if char in ascii_uppercase else " ")
    for char in map(chr, range(256))
)
_CHANGES = (b"aA", b"a0", b"A0", b"0a", b"0A", b"AAa")
"""``_CHANGE`` in classes of characters: to look for these few bytes is several times as fast as the expression."""
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_ASKED = re.compile(r'"([^"]*)"?|([^\s"]+)')
PARTED = "\ua015"
"""Stands before each identifier's parts: a letter that nobody writes between two words."""


class Term(NamedTuple):
    """Words that stand side by side, the last one perhaps only begun. ``parts``: the same as an identifier's parts."""

    words: tuple[str, ...]
    begun: bool
    parts: tuple[str, ...] = ()


class Snippet(NamedTuple):
    """One line of a text, and where the matches in it are: [start, end) in code points."""

    text: str
    marks: tuple[tuple[int, int], ...]


def indexed(text: str) -> str:
    """What goes to the index for a text."""
    spaced = text if text.isascii() else _ONE_DENSE.sub(r" \g<0> ", unicodedata.normalize("NFC", text))
    found = list(dict.fromkeys(_identifiers(text)))
    parted = [parts for word in found[:_MOST_IDENTIFIERS] if (parts := _parted(word))]
    return "\n".join([spaced, *parted]) if parted else spaced


def _identifiers(text: str) -> Iterator[str]:
    """Its words of ASCII letters and digits in which a part begins, in their order."""
    classes = text.encode("ascii", "replace").translate(_CLASSES)
    ends: dict[int, int] = {}
    for change in _CHANGES:
        at = classes.find(change)
        while at >= 0:
            end = classes.find(b" ", at)
            end = end if end >= 0 else len(classes)
            ends[classes.rfind(b" ", 0, at) + 1] = end
            at = classes.find(change, end)
    return (text[start : ends[start]] for start in sorted(ends))


@lru_cache(maxsize=4096)
def _parted(word: str) -> str:
    """What is appended for an identifier. Kept, because the same ones come again and again."""
    parts = parts_of(word)
    return f"{PARTED} {' '.join(parts)}" if parts else ""


def parts_of(word: str) -> tuple[str, ...]:
    """``parseHTTPHeader2`` → parse, HTTP, Header, 2; nothing for a word that is no identifier of several parts."""
    if not word.isascii() or len(word) > _LONGEST_IDENTIFIER:
        return ()
    parts = tuple(_PART.findall(word))
    return parts if 1 < len(parts) <= _MOST_PARTS else ()


def terms_of(query: str) -> tuple[Term, ...]:
    """What a person asks for: every word as a beginning, quoted ones side by side. Whatever is typed means something.

    Empty when there is no word in it.
    """
    terms: dict[Term, None] = {}
    for asked in _ASKED.finditer(unicodedata.normalize("NFC", query[:MAX_QUERY])):
        quoted, bare = asked.groups()
        words = tuple(match.group() for match in _WORD.finditer(quoted if bare is None else bare))
        if words:
            parts = parts_of(words[0]) if bare is not None and len(words) == 1 else ()
            terms[Term(tuple(map(fold, words)), bare is not None, tuple(map(fold, parts)))] = None
    return tuple(terms)[:MAX_TERMS]


def expression(terms: Sequence[Term]) -> str:
    """The terms as an FTS5 expression. Nothing in it but words in quotes, so nothing can be wrong in it."""
    return " AND ".join(_one(term) for term in terms)


def _one(term: Term) -> str:
    star = " *" if term.begun else ""
    asked = f'"{" ".join(term.words)}"{star}'
    return f'({asked} OR "{" ".join(term.parts)}"{star})' if term.parts else asked


def fold(word: str) -> str:
    """As words are compared: small letters, without accents."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFD", word.lower())
    return unicodedata.normalize("NFC", "".join(char for char in apart if not "\u0300" <= char <= "\u036f"))


class _Found(NamedTuple):
    start: int
    end: int
    folded: str


def spans(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the terms stand in a text, in order, overlapping ones joined."""
    found: list[tuple[int, int]] = []
    words = [_Found(match.start(), match.end(), fold(match.group())) for match in _WORD.finditer(text)]
    for term in terms:
        for asked in (term.words, term.parts):
            found += _runs(words, asked, term.begun, text) if asked else ()
    for word in words:
        if _CHANGE.search(text, word.start, word.end) and parts_of(text[word.start : word.end]):
            split = [
                _Found(match.start(), match.end(), fold(match.group()))
                for match in _PART.finditer(text, word.start, word.end)
            ]
            for term in terms:
                for asked in (term.words, term.parts):
                    found += _runs(split, asked, term.begun, text) if asked else ()
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _runs(words: Sequence[_Found], asked: tuple[str, ...], begun: bool, text: str) -> Iterator[tuple[int, int]]:
    first, last, count = asked[0], asked[-1], len(asked)
    for at, word in enumerate(words):
        if count > 1 and word.folded != first:
            continue
        if at + count > len(words):
            return
        end = words[at + count - 1]
        if any(words[at + n].folded != asked[n] for n in range(1, count - 1)):
            continue
        if end.folded == last:
            yield word.start, end.end
        elif begun and end.folded.startswith(last):
            # Marked as far as it was typed, if folding changed no length.
            same = len(end.folded) == end.end - end.start
            yield word.start, end.start + len(last) if same else end.end


def snippet(text: str, terms: Sequence[Term], width: int = 160) -> Snippet:
    """About ``width`` characters around the first match, on one line; the beginning of the text where none is seen."""
    found = spans(text, terms)
    first = found[0] if found else (0, 0)
    start = max(0, min(first[0] - width // 3, len(text) - width))
    end = min(len(text), max(start + width, first[1]))
    start, end = _at_words(text, start, end, first)
    out: list[str] = ["…"] if start else []
    length = len(out)
    marks: list[tuple[int, int]] = []
    inside = [(max(one[0], start), min(one[1], end)) for one in found if one[0] < end and one[1] > start]
    edges = [start, *(edge for span in inside for edge in span), end]
    for number, (left, right) in enumerate(pairwise(edges)):
        piece = _one_line(text[left:right])
        if number % 2:
            marks.append((length, length + len(piece)))
        out.append(piece)
        length += len(piece)
    return Snippet("".join(out) + ("…" if end < len(text) else ""), tuple(marks))


def _at_words(text: str, start: int, end: int, kept: tuple[int, int]) -> tuple[int, int]:
    """The window moved to where words begin and end, if such a place is near."""
    if start:
        space = re.search(r"\s", text[start : min(start + 20, kept[0])])
        start += space.end() if space else 0
    if end < len(text):
        near = max(end - 20, kept[1])
        space_before = max(text.rfind(" ", near, end), text.rfind("\n", near, end))
        end = space_before if space_before > 0 else end
    return start, end


def _one_line(text: str) -> str:
    """As long as it was: marks stay where they are. What would move a terminal's cursor becomes a space."""
    return "".join(char if char.isprintable() else " " for char in text)
