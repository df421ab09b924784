"""Removing what is nobody else's business from text and JSON: keys, tokens, and where things are on this machine.

Pure, and linear in the length of the text, whatever that is: others wrote it. What is removed is counted by kind.
``core/secret_rules`` knows the formats and ``core/private_places`` the paths; this module applies them, and finds
values by the name they are given.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from agentd.core.private_places import PlaceRemover, Places
from agentd.core.secret_rules import RULES, looks_random

PIECE = 1 << 16
"""Characters that the rules are applied to at once: a worker thread lets others go on between two pieces."""
DEEPEST = 200
_MARGIN = 2048
"""Characters on either side of where a piece may end: no rule for several words looks further."""
_CUTS = 8
_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\[nr]){0,16384}+")
_PEM_LONGEST = 1 << 14
_NAMES = ("secret", "token", "passw", "passphrase", "pwd", "key", "credential")
"""What ``_NAMED`` begins with: looked for one by one, which is many times as fast as the pattern."""
_NAMED = re.compile(
    r"(?:(?<=api)|(?<=api[_-])|(?<=access[_-])|(?<=access)|(?<=private[_-])|(?<=signing[_-])|(?<=encryption[_-])"
    r"|(?<=auth[_-])|(?<=account[_-])|(?<=secret[_-]))key|secret|token|passw(?:or)?d|passphrase|pwd|credential",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"s?(?:[_.-][A-Za-z0-9_.-]{0,40}|[A-Z][A-Za-z0-9_]{0,40}|\d{1,4})?[\"'`\\]{0,4}\s{0,5}(?::=|=>|==?|:)\s{0,5}"
    r"[\"'`\\]{0,4}(?P<value>[^\s\"'`\\,;<>(){}\[\]=]{6,256}+={0,2})"
)
_FLAG = re.compile(r"(?:-[a-z-]{0,20})?[ =]{1,3}[\"']?(?P<value>[^\s\"'`\\,;<>(){}\[\]=]{6,256}+={0,2})")
_AWS_ID = re.compile(r"(?:AKIA|ASIA)(?<!\w....)[A-Z0-9]{16}(?![A-Za-z0-9_])")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_NEAR = 400
_SEALED = frozenset({"id", "kind", "callId", "signature", "data", "status", "hash", "crc", "time", "started", "ended"})
_PASSWORDS = ("passw", "pwd", "passphrase")


class Redactor:
    """``removed`` counts what was taken out so far, by kind. Without ``places`` it takes out secrets alone."""

    def __init__(self, places: Places | None) -> None:
        self.removed: Counter[str] = Counter()
        self._places = PlaceRemover(places) if places is not None else None

    def text(self, text: str) -> str:
        """The text without secrets and places. The same object if there is nothing to remove."""
        if "PRIVATE KEY" in text:
            text = self._private_keys(text)
        if len(text) <= PIECE:
            return self._piece(text)
        pieces = [self._piece(piece) for piece in self._pieces(text)]
        made = "".join(pieces)
        return text if made == text else made

    def value(self, value: Any, name: str = "", deepest: int = DEEPEST) -> Any:
        """Any JSON value, names of fields included. A string is also judged by the ``name`` of its field."""
        if isinstance(value, str):
            return self._named_value(name, value) if name else self.text(value)
        if deepest <= 0:
            return None
        if isinstance(value, Mapping):
            return self._object(value, deepest)
        if isinstance(value, list | tuple):
            return [self.value(one, name, deepest - 1) for one in value]
        return value

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A record's or an item's fields: ids and seals stay. A seal goes with the text that it was for."""
        made = {key: one if key in _SEALED else self.value(one, key) for key, one in body.items()}
        if "signature" in made and made.get("text") != body.get("text"):
            del made["signature"]
        return made

    def _object(self, value: Mapping[str, Any], deepest: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        numbers: Counter[str] = Counter()
        for key, one in value.items():
            known = redacted = self.text(str(key))
            while known in made:
                # Counted for each text: many keys may have become the same one.
                numbers[redacted] += 1
                known = f"{redacted} ({numbers[redacted] + 1})"
            made[known] = self.value(one, str(key), deepest - 1)
        return made

    def _named_value(self, name: str, value: str) -> str:
        met = _NAMED.search(name) if len(name) <= 100 and len(value) <= 512 else None
        redacted = self.text(value)
        if met is None or redacted != value or not _ends_name(name[met.end() :]):
            return redacted
        password = met.group().lower().startswith(_PASSWORDS) and len(value) >= 4 and not set(value) & set(" \n$<{[/")
        return self._gone("named secret") if password or _is_secret(met.group(), value) else redacted

    def _gone(self, kind: str) -> str:
        self.removed[kind] += 1
        return f"[redacted: {kind}]"

    def _private_keys(self, text: str) -> str:
        """PEM blocks whole. One that was cut off goes as far as it looks like one."""
        begins = [*_PEM_BEGIN.finditer(text)]
        if not begins:
            return text
        ends = deque(met.end() for met in _PEM_END.finditer(text))
        out, at = [], 0
        for begin, following in zip(begins, [*(met.start() for met in begins[1:]), len(text)], strict=True):
            while ends and ends[0] <= begin.end():
                ends.popleft()
            if begin.start() < at:
                continue
            if ends and ends[0] <= min(following, begin.end() + _PEM_LONGEST):
                stop = ends[0]
            else:
                body = _PEM_BODY.match(text, begin.end())
                stop = body.end() if body else begin.end()
            out += [text[at : begin.start()], self._gone("private key")]
            at = stop
        return "".join([*out, text[at:]]) if out else text

    def _piece(self, text: str) -> str:
        lowered = text.lower()
        if "AKIA" in text or "ASIA" in text:
            text = self._aws_secrets(text)
        for rule in RULES:
            if any(needle in lowered for needle in rule.needles):
                text = self._apply(rule.pattern, rule.kind, rule.check, text)
        text = self._assigned(text)
        return text if self._places is None else self._places.without(text, self.removed)

    def _apply(self, pattern: re.Pattern[str], kind: str, check: Any, text: str) -> str:
        group = min(pattern.groups, 1)

        def instead(met: re.Match[str]) -> str:
            secret = met.group(group)
            if check is not None and not check(secret):
                return met.group()
            start, end = met.start(group) - met.start(), met.end(group) - met.start()
            return met.group()[:start] + self._gone(kind) + met.group()[end:]

        return pattern.sub(instead, text)

    def _aws_secrets(self, text: str) -> str:
        """Forty characters that could be anything are a secret near a key id."""
        ids = [met.start() for met in _AWS_ID.finditer(text)]
        if not ids:
            return text
        out, at, place = [], 0, 0
        for met in _AWS_SECRET.finditer(text):
            while place < len(ids) - 1 and abs(ids[place + 1] - met.start()) <= abs(ids[place] - met.start()):
                place += 1
            if abs(ids[place] - met.start()) <= _NEAR and looks_random(met.group()):
                out += [text[at : met.start()], self._gone("AWS secret key")]
                at = met.end()
        return "".join([*out, text[at:]]) if out else text

    def _assigned(self, text: str) -> str:
        """``NAME=value``, ``"name": "value"`` and ``--name value`` where the name says that it is a secret."""
        out, at = [], 0
        for named in _named(text):
            if named.start() < at:
                continue
            met = _VALUE.match(text, named.end())
            if met is None and "--" in text[max(0, named.start() - 24) : named.start()]:
                met = _FLAG.match(text, named.end())
            if met is not None and _is_secret(named.group(), met.group("value")):
                out += [text[at : met.start("value")], self._gone("named secret")]
                at = met.end("value")
        return "".join([*out, text[at:]]) if out else text

    def _pieces(self, text: str) -> Iterator[str]:
        """The text in pieces that end where nothing private goes on."""
        probe = copy(self)
        probe.removed = Counter()
        at = 0
        while len(text) - at > PIECE:
            end = at + PIECE
            while end < len(text) and (cut := probe._cut(text, end)) is None:
                # Wherever one might end something would be cut in two: a longer piece.
                end += PIECE
            end = cut if end < len(text) and cut is not None else len(text)
            yield text[at:end]
            at = end
        yield text[at:]

    def _cut(self, text: str, latest: int) -> int | None:
        """Where a piece may end: behind a line's end, else behind a blank, else anywhere."""
        step = PIECE // 2 // _CUTS
        for end in range(latest, latest - step * _CUTS, -step):
            found = (text.rfind(sign, end - step, end) + 1 for sign in ("\n", ' "', ",", " "))
            cut = next((place for place in found if place), end)
            before, after = text[max(0, cut - _MARGIN) : cut], text[cut : cut + _MARGIN]
            whole = self._piece(before + after)
            if whole in (before + after, self._piece(before) + self._piece(after)):
                return cut
        return None


def _named(text: str) -> Iterator[re.Match[str]]:
    """Every name in the text that a secret may have, in order."""
    lowered = text.lower()
    if len(lowered) != len(text):
        # A letter that is two in lower case: places in one text are none in the other.
        yield from _NAMED.finditer(text)
        return
    places: list[int] = []
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            places.append(at)
            at = lowered.find(name, at + len(name))
    for place in sorted(places):
        met = _NAMED.match(text, place)
        if met is not None:
            yield met


def _ends_name(rest: str) -> bool:
    """Whether a name goes on so that it is still a secret's: ``tokens`` and ``token_2``, not ``tokenizer``."""
    return not rest or rest == "s" or not rest[0].islower()


def _is_secret(name: str, value: str) -> bool:
    if value.startswith(("$", "%", "[redacted", "./", "~")) or "..." in value or "***" in value or "${" in value:
        return False
    lowered = value.lower()
    if any(word in lowered for word in ("example", "placeholder", "your", "changeme", "dummy")):
        return False
    if looks_random(value):
        return True
    if name.lower().startswith(_PASSWORDS):
        # A password that a person chose: words, but with digits or signs in them that no identifier has.
        signs = sum(not (char.isalnum() or char in "_.-:/") for char in value)
        return len(value) >= 6 and bool(signs or sum(char.isdigit() for char in value) >= 2) and "(" not in value
    return False
