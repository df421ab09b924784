"""Where a session stands in a list: the order of lists, cursors, and merging. Pure functions over small values."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, TypeVar

from agentd.errors import InvalidParams
from agentd.protocol import Session

Sort = Literal["lastActive", "created", "name"]
T = TypeVar("T")


class Place(NamedTuple):
    """``key``: the time, or the folded name. ``last``: those without a name come after all others. Then by id."""

    last: bool
    key: str
    id: str


def place_of(session: Session, sort: Sort) -> Place:
    """Its place in this order."""
    if sort == "name":
        return Place(session.name is None, folded(session.name), session.id)
    return Place(False, session.created if sort == "created" else session.last_active, session.id)


def folded(name: str | None) -> str:
    """A name as it is sorted."""
    return (name or "").casefold()


def in_order(items: Iterable[T], place: Callable[[T], Place], sort: Sort) -> list[T]:
    """Names from A to Z, times from the latest to the earliest."""
    if sort == "name":
        return sorted(items, key=place)
    # Two stable passes: strings can't be negated.
    return sorted(sorted(items, key=lambda item: place(item).id), key=lambda item: place(item).key, reverse=True)


def is_after(place: Place, cursor: Place, sort: Sort) -> bool:
    """Whether a session is shown on a later page than the one that ends at ``cursor``."""
    if sort == "name":
        return place > cursor
    return place.key < cursor.key or (place.key == cursor.key and place.id > cursor.id)


def cursor_of(sort: str, place: Place) -> str:
    """The place of the last session shown: right whatever comes, goes or changes before it."""
    return base64.urlsafe_b64encode(json.dumps([sort, *place]).encode()).decode()


def place_in(cursor: str, sort: str) -> Place:
    """The place in a cursor of this order. Raises InvalidParams for anything else."""
    try:
        asked, last, key, session_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if asked == sort and isinstance(last, bool) and isinstance(key, str) and isinstance(session_id, str):
            return Place(last, key, session_id)
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidParams("cursor: not one that a list in this order has answered")
