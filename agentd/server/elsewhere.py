"""The other projects' sessions: running daemons are asked, the others' stores are read. Each is given a second.

A project that cannot be read or does not answer costs its own sessions, and is named. Nothing is started or written.
"""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agentd import launch, paths
from agentd.core.places import place_in, place_of
from agentd.core.words import terms_of
from agentd.finding import SEARCH
from agentd.protocol import Hit, ListParams, SearchParams, Session, Wire
from agentd.store import elsewhere
from agentd.store.finding import Row, TextHit
from agentd.workspace import Workspace

SECONDS = 1.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lists:
    rows: list[Row]
    total: int
    more: bool
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Searches:
    hits: list[TextHit]
    more: bool
    indexing: bool
    problems: list[str]


async def lists(workspace: Workspace, params: ListParams) -> Lists:
    """What every other project has after this cursor."""
    answers, problems = await _all(workspace, partial(_list_of, params=params))
    rows = [row for some, _, _ in answers for row in some]
    return Lists(rows, sum(total for _, total, _ in answers), any(more for _, _, more in answers), problems)


async def searches(workspace: Workspace, params: SearchParams) -> Searches:
    """The same for a search."""
    answers, problems = await _all(workspace, partial(_search_of, params=params))
    hits = [hit for some, _, _ in answers for hit in some]
    return Searches(hits, any(more for _, more, _ in answers), any(building for *_, building in answers), problems)


def rooted(rows: Sequence[Row], root: str) -> list[Row]:
    """Rows that say which project they are of."""
    return [with_root(row, root) for row in rows]


def with_root(row: Row, root: str) -> Row:
    """The same row, in an answer about every project."""
    return row._replace(json=row.json[:-1] + b',"root":' + json.dumps(root).encode() + b"}")


async def _all(workspace: Workspace, ask: Callable[[Path, str], T]) -> tuple[list[T], list[str]]:
    """Every other project, at the same time, each on a thread that nobody waits for longer than it is given."""
    own = Path(workspace.store.location)
    try:
        places = sorted(place for place in own.parent.iterdir() if place != own and (place / "sessions").is_dir())
    except OSError:
        return [], []
    asked = [(elsewhere.root_of(place) or place.name, place) for place in places]
    futures = [_threaded(partial(ask, place, root)) for root, place in asked]
    if futures:
        await asyncio.wait(futures, timeout=SECONDS)
    answers, problems = [], []
    for (root, _), future in zip(asked, futures, strict=True):
        if not future.done():
            problems.append(f"{root}: no answer within {SECONDS:g} s")
        elif (error := future.exception()) is not None:
            problems.append(f"{root}: {error}")
        else:
            answers.append(future.result())
    return answers, problems


def _threaded(work: Callable[[], T]) -> "asyncio.Future[T]":
    """On a thread of its own that dies with the process: one that hangs holds up nobody."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
            done.exception()
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except OSError as failure:
            error = _Unread(failure.strerror or type(failure).__name__)
        except Exception as failure:
            error = _Unread(f"it could not be read ({type(failure).__name__})")
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the daemon has ended

    threading.Thread(target=run, daemon=True, name="agentd-elsewhere").start()
    return done


class _Unread(Exception):
    """In words for people."""


def _list_of(place: Path, root: str, params: ListParams) -> tuple[list[Row], int, bool]:
    answer = _asked(place, root, "agentd/session/list", params)
    if answer is None:
        selection = elsewhere.page(place, params)
        rows = list(selection.rows[: params.limit])
        return rooted(rows, root), selection.total, len(selection.rows) > len(rows)
    sessions = [Session.model_validate(one) for one in answer["sessions"]]
    rows = [Row(one.id, place_of(one, params.sort), one.dump_json()) for one in sessions]
    return rooted(rows, root), int(answer["total"]), "nextCursor" in answer


def _search_of(place: Path, root: str, params: SearchParams) -> tuple[list[TextHit], bool, bool]:
    answer = _asked(place, root, "agentd/session/search", params)
    if answer is None:
        after = place_in(params.cursor, SEARCH) if params.cursor is not None else None
        matches = elsewhere.search(place, terms_of(params.query), params.status, params.limit, after)
        hits, more, building = list(matches.hits), matches.more, False
    else:
        hits = [_hit(Hit.model_validate(one)) for one in answer["hits"]]
        more, building = "nextCursor" in answer, answer.get("indexing") is True
    return [TextHit(with_root(h.row, root), h.turn, h.kind, h.snippet, h.marks) for h in hits], more, building


def _hit(hit: Hit) -> TextHit:
    session = hit.session
    row = Row(session.id, place_of(session, "lastActive"), session.dump_json())
    return TextHit(row, hit.turn, hit.kind, hit.snippet, hit.marks)


def _asked(place: Path, root: str, method: str, params: Wire) -> dict[str, Any] | None:
    """What the project's own daemon answers; None when none runs. Raises OSError, TimeoutError among them."""
    if not os.path.isdir(root) or paths.project_dir(str(place.parent.parent), root) != str(place):  # noqa: PTH112
        return None
    if not launch.answers(str(place)):
        return None
    try:
        opened = launch.connect(root, start=False)
    except launch.LaunchFailed as failure:
        raise OSError(0, str(failure)) from None
    if opened is None:
        return None
    with opened:
        opened.settimeout(SECONDS)
        asked = {**params.dump(), "scope": "project"}
        opened.sendall(
            _frame(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}}) + _frame(2, method, asked)
        )
        reading = opened.makefile("rb")
        while True:
            message = _message(reading)
            if message.get("id") == 2:
                if "error" in message:
                    raise OSError(0, str(message["error"].get("message", "its daemon refused")))
                result = message["result"]
                return result if isinstance(result, dict) else None


def _frame(number: int, method: str, params: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _message(reading: Any) -> dict[str, Any]:
    length = 0
    while (header := reading.readline(8192)) not in (b"\r\n", b""):
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    body = reading.read(length)
    if not length or len(body) < length:
        raise OSError(0, "its daemon ended the connection")
    value = json.loads(body)
    return value if isinstance(value, dict) else {}
