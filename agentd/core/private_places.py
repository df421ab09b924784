"""Taking out of text where things are on a machine: the paths of this one, and whose home any other one is.

Pure, and linear in the length of the text. A path is found however it is written: plain, with escaped or doubled
slashes, percent-encoded, glued to a compiler's option, or flat as the name of a directory.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

_SLASH = r"(?:/|\\\\{0,3}/?|%(?:25)?2[Ff])"
"""Each way begins with a character of its own: text without any of them is passed over fast."""
_LOOKED_AT = 80
_BEGINS = re.compile(
    r"(?:\A|[^\w.~-]|(?:\A|[\s\"'`=(,;:])-[A-Za-z]|-(?:isystem|idirafter|iquote|include|rpath)|\\[bfnrt]|%[0-9A-Fa-f]{2}"
    r"|(?:\x1b|\\u001[bB]|\\x1[bB]|\\e|\\033)\[[\d;]{0,20}[A-Za-z]"
    r"|(?<![A-Za-z0-9])(?:file|localhost|/var|/export|/mnt/[a-z])"
    r"|(?:file|ssh|sftp|scp|vscode-remote)://[^/\s\"'<>]{1,60})\Z"
)
"""What may stand before an absolute path. Other letters end a longer path (``site.org/home/page``)."""
_HOME = re.compile(rf"{_SLASH}(?:home|Users){_SLASH}(?P<name>\w(?:[\w.-]{{0,62}}\w)?)")
_NOBODY = frozenset({"Shared", "Public", "linuxbrew"})
_WINDOWS_HOME = re.compile(
    r"[A-Za-z](?::|%3[Aa])(?:\\{1,4}|/|%5[Cc]|%2[Ff])Users(?:\\{1,4}|/|%5[Cc]|%2[Ff])[^\\/\s\"'<>:%]{1,64}"
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are on this machine: none of it goes out. Paths, each as it is and as it really is."""

    roots: Sequence[str] = ()
    homes: Sequence[str] = ()
    data: Sequence[str] = ()


class PlaceRemover:
    """Knows one machine's places. Counts nothing itself: ``without`` is given the counter."""

    def __init__(self, places: Places) -> None:
        found = [(path, "<agentd>", "agentd path") for path in places.data]
        found += [(path, "<workspace>", "workspace path") for path in places.roots]
        found += [(path, "~", "home path") for path in places.homes]
        found = [(path.rstrip("/"), instead, kind) for path, instead, kind in found]
        found = [one for one in found if len(one[0]) > 1 and one[0].startswith("/")]
        found.sort(key=lambda one: -len(one[0]))
        self._known = [(instead, kind, _is_distinct(path)) for path, instead, kind in found]
        ways = "|".join(f"(?P<p{number}>{_written(path)})" for number, (path, _, _) in enumerate(found))
        self._paths = re.compile(rf"{_SLASH}(?:{ways})(?![\w-])") if found else None
        self._flat = [
            (form, re.compile(rf"{re.escape(form)}(?<![\w.~-]{re.escape(form)})(?!\w)"), instead, kind)
            for path, instead, kind in found
            for form in _flat(path)
        ]
        users = {path.rsplit("/", 1)[1] for path, instead, _ in found if instead == "~" and _is_distinct(path)}
        names = "|".join(map(re.escape, sorted(users, key=len, reverse=True)))
        self._user = re.compile(rf"~(?<![\w./~-]~)(?:{names})(?![\w-])") if users else None

    def without(self, text: str, removed: Counter[str]) -> str:
        """The text without them; the same object if there are none. Adds to ``removed`` by kind."""
        if self._paths is not None and ("/" in text or "\\" in text or "%2" in text):
            text = self._paths.sub(lambda met: self._instead(met, removed), text)
        for form, pattern, instead, kind in self._flat:
            if form in text:
                text, count = pattern.subn(lambda _, instead=instead: instead, text)  # type: ignore[misc]
                removed[kind] += count
        if self._user is not None and "~" in text:
            text, count = self._user.subn("~", text)
            removed["home path"] += count
        if "Users" in text:
            text, count = _WINDOWS_HOME.subn("~", text)
            removed["home path"] += count
        if "home" in text or "Users" in text:
            text = _HOME.sub(lambda met: _nameless(met, removed), text)
        return text

    def _instead(self, met: re.Match[str], removed: Counter[str]) -> str:
        assert met.lastgroup is not None
        instead, kind, distinct = self._known[int(met.lastgroup[1:])]
        if not distinct and not _begins(met):
            return met.group()
        removed[kind] += 1
        return instead


def _begins(met: re.Match[str]) -> bool:
    """Whether the path that was met is a whole one."""
    last = met.string[met.start() - 1] if met.start() else "\n"
    if not (last.isalnum() or last in "_.~->"):
        return True
    before = met.string[max(0, met.start() - _LOOKED_AT) : met.start()]
    return _BEGINS.search(before) is not None and not before.endswith(("<workspace>", "<agentd>"))


def _nameless(met: re.Match[str], removed: Counter[str]) -> str:
    if met.group("name") in _NOBODY or not _begins(met):
        return met.group()
    removed["home path"] += 1
    return met.group()[: met.start("name") - met.start()] + "<user>"


def _is_distinct(path: str) -> bool:
    """Whether a path is unlike any that it may be a part of: ``/srv/home/ann`` names ann, ``/x/app/src`` nobody."""
    parts = path.split("/")[1:]
    return len(parts) > 2 or (len(parts) == 2 and parts[0] in ("home", "Users"))


def _written(path: str) -> str:
    """A pattern of all ways to write a path, behind its first slash."""
    ways = []
    for part in path[1:].split("/"):
        forms = (part, quote(part, safe=""), quote(part), quote(quote(part)), json.dumps(part)[1:-1])
        ways.append("(?:" + "|".join(map(re.escape, dict.fromkeys(forms))) + ")")
    return _SLASH.join(ways)


def _flat(path: str) -> list[str]:
    """A path as a directory's name."""
    if path.count("/") < 2:
        return []
    return list(dict.fromkeys([path.replace("/", "-"), path.replace("/", "-").replace(".", "-")]))
