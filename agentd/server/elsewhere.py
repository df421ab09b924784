"""The other projects' sessions: running daemons are asked, the others' stores are read. Each is given a second.

A project that cannot be read or does not answer costs its own sessions, and is named. Nothing is started or written.
"""

import asyncio
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any, Generic, TypeVar

from agentd import __version__, launch, paths
from agentd.core.places import place_in, place_of
from agentd.core.words import terms_of
from agentd.finding import SEARCH
from agentd.protocol import Hit, ListParams, SearchParams, Session, Wire
from agentd.server import hello, line
from agentd.server.hands import Hands
from agentd.store import elsewhere
from agentd.store.finding import Row, TextHit
from agentd.workspace import Workspace

SECONDS = 1.0
DIAL_SECONDS = 0.2
MOST_BYTES = 1 << 25
"""Of another daemon's answer."""
HANDS = 6
_hands = Hands(HANDS, "agentd-elsewhere")
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
    answers, problems = await _all(workspace, partial(_Page, params=params))
    rows = [row for some, _, _ in answers for row in some]
    return Lists(rows, sum(total for _, total, _ in answers), any(more for _, _, more in answers), problems)


async def searches(workspace: Workspace, params: SearchParams) -> Searches:
    """The same for a search."""
    answers, problems = await _all(workspace, partial(_Search, params=params))
    hits = [hit for some, _, _ in answers for hit in some]
    return Searches(hits, any(more for _, more, _ in answers), any(building for *_, building in answers), problems)


def rooted(rows: Sequence[Row], root: str) -> list[Row]:
    """Rows that say which project they are of."""
    return [with_root(row, root) for row in rows]


def with_root(row: Row, root: str) -> Row:
    """The same row, in an answer about every project."""
    return row._replace(json=row.json[:-1] + b',"root":' + json.dumps(root).encode() + b"}")


async def _all(workspace: Workspace, ask: Callable[[Path, str], "_Question[T]"]) -> tuple[list[T], list[str]]:
    """Every other project, at the same time, none longer than it is given."""
    try:
        async with asyncio.timeout(SECONDS):
            asked = await _hands.do(partial(_others, Path(workspace.store.location)))
    except TimeoutError:
        return [], [f"the other projects: no answer within {SECONDS:g} s"]
    questions = [ask(place, root) for root, place in asked]
    tasks = [asyncio.create_task(question.answer()) for question in questions]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=SECONDS)
    except asyncio.CancelledError:
        for question in questions:
            question.wanted = False
        raise
    finally:
        for task in tasks:
            task.cancel()
    answers, problems = [], []
    for (root, _), question, task in zip(asked, questions, tasks, strict=True):
        if not task.done():
            problems.append(f"{root}: {question.reading or f'no answer within {SECONDS:g} s'}")
        elif (error := task.exception()) is not None:
            problems.append(f"{root}: {_words(error)}")
        else:
            answers.append(task.result())
    return answers, problems


def _others(own: Path) -> list[tuple[str, Path]]:
    return [(elsewhere.root_of(place) or place.name, place) for place in elsewhere.projects(own)]


def _words(error: BaseException) -> str:
    """For people."""
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"it could not be read ({type(error).__name__})"


class _Question(ABC, Generic[T]):
    """What one project is asked. ``reading``: that it is being read, in words."""

    METHOD = ""

    def __init__(self, place: Path, root: str, params: Wire) -> None:
        self.place = place
        self.root = root
        self._params = params
        self.reading = ""
        self.wanted = True
        self._over = False

    @abstractmethod
    def read(self) -> T:
        """From the project's store. In a worker."""

    @abstractmethod
    def understood(self, answer: dict[str, Any]) -> T:
        """From its daemon's answer. In a worker."""

    async def answer(self) -> T:
        try:
            daemon = await _hands.do(self._dialled)
        except asyncio.CancelledError:
            self._over = True
            raise
        if daemon is not None:
            body = await _body(daemon, self.METHOD, self._params)
            return await _hands.do(partial(self._told, body))
        while True:
            try:
                return await _hands.do(self.read)
            except elsewhere.Unready as unready:
                being_read = unready
            self.reading = str(being_read)
            being_read.join()
            try:
                await _until(being_read.ready)
            finally:
                being_read.leave(wanted=self.wanted)
            if (error := being_read.ready.exception()) is not None:
                raise error

    def _dialled(self) -> socket | None:
        """The project's own daemon; None when none runs."""
        place, root = str(self.place), self.root
        if not os.path.isdir(root) or paths.project_dir(str(self.place.parent.parent), root) != place:  # noqa: PTH112
            return None
        raw = launch.dial(place, DIAL_SECONDS)
        if raw is not None and self._over:
            raw.close()
            return None
        return socket(AF_UNIX, SOCK_STREAM, 0, fileno=raw.detach()) if raw is not None else None

    def _told(self, body: bytes) -> T:
        message = json.loads(body)
        if "error" in message:
            raise OSError(0, "its daemon refused")
        return self.understood(message["result"])


async def _until(ready: "Future[None]") -> None:
    """Until it is done. It is others' too: that one who waits is cancelled is nothing to it."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: "Future[None]") -> None:
        with suppress(RuntimeError):  # the daemon has ended
            loop.call_soon_threadsafe(done.set)

    ready.add_done_callback(tell)
    await done.wait()


class _Page(_Question[tuple[list[Row], int, bool]]):
    """Rows, how many match, whether there are more."""

    METHOD = "agentd/session/list"

    def __init__(self, place: Path, root: str, params: ListParams) -> None:
        super().__init__(place, root, params)
        self.asked = params

    def read(self) -> tuple[list[Row], int, bool]:
        selection = elsewhere.page(self.place, self.asked)
        rows = list(selection.rows[: self.asked.limit])
        return rooted(rows, self.root), selection.total, len(selection.rows) > len(rows)

    def understood(self, answer: dict[str, Any]) -> tuple[list[Row], int, bool]:
        sessions = [Session.model_validate(one) for one in answer["sessions"]]
        rows = [Row(one.id, place_of(one, self.asked.sort), one.dump_json()) for one in sessions]
        return rooted(rows, self.root), int(answer["total"]), "nextCursor" in answer


class _Search(_Question[tuple[list[TextHit], bool, bool]]):
    """Places, whether there are more, whether its index is being made."""

    METHOD = "agentd/session/search"

    def __init__(self, place: Path, root: str, params: SearchParams) -> None:
        super().__init__(place, root, params)
        self.asked = params

    def read(self) -> tuple[list[TextHit], bool, bool]:
        asked = self.asked
        after = place_in(asked.cursor, SEARCH) if asked.cursor is not None else None
        matches = elsewhere.search(self.place, terms_of(asked.query), asked.status, asked.limit, after)
        return self._rooted(matches.hits), matches.more, False

    def understood(self, answer: dict[str, Any]) -> tuple[list[TextHit], bool, bool]:
        hits = [_hit(Hit.model_validate(one)) for one in answer["hits"]]
        return self._rooted(hits), "nextCursor" in answer, answer.get("indexing") is True

    def _rooted(self, hits: Sequence[TextHit]) -> list[TextHit]:
        return [TextHit(with_root(h.row, self.root), h.turn, h.kind, h.snippet, h.marks) for h in hits]


def _hit(hit: Hit) -> TextHit:
    session = hit.session
    row = Row(session.id, place_of(session, "lastActive"), session.dump_json())
    return TextHit(row, hit.turn, hit.kind, hit.snippet, hit.marks)


async def _body(daemon: socket, method: str, params: Wire) -> bytes:
    """The message that it answers with. Whoever asks ends this when it takes too long."""
    reader, writer = await asyncio.open_unix_connection(sock=daemon, limit=hello.MAX_HELLO)
    try:
        # It is asked for what it has, and needs nobody's keys for that.
        writer.write(hello.of_client(__version__, "", {}))
        if "version" not in (line.parse(await reader.readline()) or {}):
            raise OSError(0, "its daemon refused")
        writer.write(_frame(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}}))
        writer.write(_frame(2, method, {**params.dump(), "scope": "project"}))
        while True:
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b"\n", b""):
                name, _, value = header.partition(b":")
                if name.strip().lower() == b"content-length":
                    length = int(value)
            if not 0 < length <= MOST_BYTES:
                raise OSError(0, "its daemon ended the connection" if not header else _NONSENSE)
            body = await reader.readexactly(length)
            ends = body[:_START] + body[-_START:]
            if _ANSWER.search(ends) and b'"method"' not in ends:
                return body
    except (ValueError, EOFError):
        raise OSError(0, _NONSENSE) from None
    finally:
        # Without what it did not take yet.
        writer.transport.abort()


_NONSENSE = "its daemon says what is no answer"
_ANSWER = re.compile(rb'"id": ?2\b')
_START = 100


def _frame(number: int, method: str, params: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
