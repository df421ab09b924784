"""Which session a part of an id means, by the names of the directories alone: while the index is made. Pure."""

import re
from collections.abc import Iterable

from agentd.core.lookup import CANDIDATES, SHORTEST_PREFIX, Known

_PART = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f-]{0,28})?")
_CHILD = re.compile(r"(.{36})-[a-z0-9-]{1,32}-[0-9a-f]{8}")


def may_begin_one(wanted: str) -> bool:
    """Whether nobody would call a session so. A name of four to eight hex digits that also begins an id loses to it."""
    return len(wanted) >= SHORTEST_PREFIX and _PART.fullmatch(wanted.lower()) is not None


def meant(wanted: str, names: Iterable[str]) -> list[Known]:
    """As ``listing.known_as``, of what an id alone says."""
    low = wanted.lower()
    top: list[Known] = []
    below: list[Known] = []
    for name in names:
        if name.startswith(low) and _CHILD.fullmatch(name) is None:
            top.append(Known(name, None, None))
        elif len(low) == 8 and name.endswith(low) and (child := _CHILD.fullmatch(name)):
            below.append(Known(name, None, child.group(1)))
    return [*top, *below][:CANDIDATES]
