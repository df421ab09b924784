"""Parameters and results of listing, searching and counting sessions."""

from typing import Literal

from pydantic import Field

from agentd.protocol.base import Kept, Wire
from agentd.protocol.shapes import ItemKind, ListStatus, Session, Usage

Scope = Literal["project", "everywhere"]


class ListParams(Wire):
    status: ListStatus = "active"
    query: str | None = None
    parent_id: str | None = None
    tag: str | None = None
    sort: Literal["lastActive", "created", "name"] = "lastActive"
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = None
    scope: Scope = "project"


class ListResult(Kept):
    """``indexing``: the index is being made, so sessions may be missing yet; the newest are there first."""

    sessions: tuple[Session, ...]
    next_cursor: str | None = None
    total: int
    indexing: bool = False
    problems: tuple[str, ...] = ()


class SearchParams(Wire):
    """``query``: words that must all occur, each as a beginning of a word or of a part of an identifier.

    ``"quoted words"`` stand side by side. Of one item the first 65,536 characters are searched; of one session the
    three newest places are answered.
    """

    query: str
    status: ListStatus = "all"
    limit: int = Field(default=20, ge=1, le=200)
    cursor: str | None = None
    scope: Scope = "project"


class Hit(Kept):
    """A place that matches. ``turn`` 0: the session's name, description or tags.

    ``snippet`` is text around the first match, ``marks`` where the matches in it are: [start, end) in code points.
    """

    session: Session
    turn: int
    kind: ItemKind | Literal["name"]
    snippet: str
    marks: tuple[tuple[int, int], ...] = ()


class SearchResult(Kept):
    """Most recent session first. ``indexing``: the index is being built, so older sessions may be missing yet."""

    hits: tuple[Hit, ...]
    next_cursor: str | None = None
    indexing: bool = False
    problems: tuple[str, ...] = ()


class StatsParams(Wire):
    """``sessionId`` absent: the whole project."""

    session_id: str | None = None


class ModelUse(Kept):
    """``usage.cost`` is absent when the model's price is not known."""

    model: str
    turns: int
    usage: Usage


class DayUse(Kept):
    """``day`` is YYYY-MM-DD, UTC."""

    day: str
    turns: int
    usage: Usage


class StatsResult(Kept):
    """``unpriced``: models whose price is not known: their tokens are without cost. ``prices`` is the prices' date."""

    sessions: int
    turns: int
    user_messages: int
    assistant_messages: int
    tool_calls: int
    tool_results: int
    usage: Usage
    by_model: tuple[ModelUse, ...] = ()
    by_day: tuple[DayUse, ...] = ()
    unpriced: tuple[str, ...] = ()
    prices: str
