"""An editor, as far as the daemon can tell: LSP over any byte stream, strict about all that comes back.

    editor = await Editor.attach(pipe, root, name="a")
    result = await editor.request("agentd/chat", {"prompt": "Hi"})
    ended = await editor.event("turn/ended", session=result["session"]["id"])
    await editor.close()        # fails the test for anything unexpected

No wait is without a limit, and nothing sleeps.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.support.matching import mismatch
from tests.support.pipe import Lost, Pipe
from tests.support.screen import Screen

LIMIT = 10.0 * float(os.environ.get("AGENTD_TEST_PATIENCE", "1"))
"""Seconds for any one thing. A slow machine sets the factor."""

T = TypeVar("T")
COMMANDS = {"agentd.resume": "agentd/session/resume", "agentd.chat": "agentd/chat", "agentd.retry": "agentd/turn/retry"}


class RequestError(Exception):
    """The error that a request was answered with."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('message')} ({error})")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data") or {}

    @property
    def kind(self) -> str | None:
        kind = self.data.get("kind")
        return kind if isinstance(kind, str) else None


@dataclass(eq=False)
class Asked:
    """A request under way: ``await asked.answer()``."""

    id: int
    method: str
    params: dict[str, Any]
    future: "asyncio.Future[Any]"

    async def answer(self, limit: float = LIMIT) -> Any:
        try:
            return await asyncio.wait_for(asyncio.shield(self.future), limit)
        except TimeoutError:
            raise AssertionError(f"{self.method} was not answered within {limit} s") from None


@dataclass
class Event:
    seq: int
    session: str | None
    body: dict[str, Any]
    claimed: bool = False


Answer = Callable[[dict[str, Any]], Any]


@dataclass(eq=False)
class Editor:
    """``answers``: what the daemon's own requests are answered with; one that is not there is a failure."""

    name: str
    pipe: Pipe
    screen: Screen = field(default_factory=Screen)
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    may_be_lost: bool = False

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, Asked] = {}
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name=f"editor {self.name}")

    @classmethod
    async def attach(
        cls, pipe: Pipe, root: str, *, name: str = "editor", profile: Mapping[str, Any] | None = None
    ) -> "Editor":
        """A client that is initialized. ``profile``: client info and capabilities of a real editor."""
        editor = cls(name, pipe)
        result = await editor.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": f"file://{root}",
                "clientInfo": {"name": name},
                "capabilities": {},
                "workspaceFolders": [{"uri": f"file://{root}", "name": "project"}],
                **(profile or {}),
            },
        )
        editor.capabilities = result["capabilities"]
        editor.notify("initialized", {})
        return editor

    # Out

    def begin(self, method: str, params: Mapping[str, Any] | None = None) -> Asked:
        """Send a request now; its answer is awaited later."""
        asked = Asked(next(self._ids), method, dict(params or {}), asyncio.get_running_loop().create_future())
        asked.future.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._waiting[asked.id] = asked
        if self._lost.is_set():
            asked.future.set_exception(Lost())
        if _prompts(asked):
            self.screen.prompting += 1
            self.screen.left.clear()
        self.pipe.write({"id": asked.id, "method": method, "params": asked.params})
        return asked

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result; raises ``RequestError``."""
        return await self.begin(method, params).answer()

    async def refused(self, method: str, params: Mapping[str, Any] | None = None) -> RequestError:
        """The error of a request that must have one."""
        try:
            result = await self.request(method, params)
        except RequestError as error:
            return error
        raise AssertionError(f"{method} {params} was not refused, but answered {result}")

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self.pipe.write({"method": method, "params": dict(params)})

    def cancel(self, asked: Asked) -> None:
        self.notify("$/cancelRequest", {"id": asked.id})

    # In

    async def event(self, kind: str, *, session: str | None = None, like: Any = None) -> dict[str, Any]:
        """The first event of this kind that nobody asked for before, now or as soon as it comes."""

        def found() -> Event | None:
            for event in self.events:
                fits = event.body["type"] == kind and session in (None, event.session) and not event.claimed
                if fits and (like is None or mismatch(like, event.body) is None):
                    return event
            return None

        event = await self.until(found, f"{kind} like {like}")
        event.claimed = True
        return event.body

    async def until(self, look: Callable[[], T | None], what: str, limit: float = LIMIT) -> T:
        """What ``look`` finds, now or after some message."""
        try:
            async with asyncio.timeout(limit):
                while (found := look()) is None:
                    if self._lost.is_set():
                        raise AssertionError(f"{self.name}: the connection was lost while waiting for {what}")
                    self._news = asyncio.Event()
                    await self._news.wait()
                return found
        except TimeoutError:
            came = [(event.session, event.body) for event in self.events[-12:]]
            raise AssertionError(f"{self.name}: nothing within {limit} s for {what}; last came {came}") from None

    async def shows(self, session: str, turn: int, text: str) -> None:
        """Wait until the model's text of a turn begins with this."""

        def look() -> bool | None:
            shown = self.screen.sessions.get(session)
            has = shown is not None and turn in shown.turns and shown.text(turn).startswith(text)
            return has or None

        await self.until(look, f"the text {text!r} in turn {turn}")

    async def lost(self) -> None:
        """Wait until the daemon hangs up."""
        self.may_be_lost = True
        await asyncio.wait_for(self._lost.wait(), LIMIT)

    # The end

    async def close(self) -> None:
        """Leave as editors do, and fail for all that was unexpected."""
        try:
            if not self._lost.is_set():
                await self.request("shutdown")
                self.notify("exit", {})
                self.may_be_lost = True
                await asyncio.wait_for(self._lost.wait(), LIMIT)
        except Lost:
            if not self.may_be_lost:
                raise
        finally:
            await self.drop()
        self.check()

    async def drop(self) -> None:
        """Hang up without a word, as an editor that was killed."""
        self.may_be_lost = True
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.pipe.close()

    def check(self) -> None:
        problems = [*self.problems, *self.screen.problems]
        assert not problems, f"{self.name}: " + "\n".join(problems)

    # Reading

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self.pipe.read())
                self._news.set()
        except Lost:
            if not self.may_be_lost:
                self.problems.append("the connection was lost")
        except ValueError as error:
            if not self.may_be_lost:
                self.problems.append(f"the daemon sent what is no message: {error}")
        finally:
            self._lost.set()
            self._news.set()
            for asked in self._waiting.values():
                if not asked.future.done():
                    asked.future.set_exception(Lost())

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._answered(message)
        elif "id" in message:
            self._asked(message["id"], method, message.get("params") or {})
        elif method == "agentd/event":
            params = message["params"]
            self.events.append(Event(params["seq"], params.get("sessionId"), params["event"]))
            self.screen.event(params)
        else:
            self.problems.append(f"an unexpected notification: {message}")

    def _answered(self, message: dict[str, Any]) -> None:
        asked = self._waiting.pop(message.get("id") or 0, None)
        if asked is None or ("result" in message) == ("error" in message):
            self.problems.append(f"an unexpected answer: {message}")
            return
        if "error" in message:
            if message["error"]["code"] == -32603 or "Traceback" in str(message["error"]):
                self.problems.append(f"{asked.method} failed within: {message['error']}")
            asked.future.set_exception(RequestError(message["error"]))
        else:
            method, params = _meant(asked)
            self.screen.answered(method, params, message["result"])
            asked.future.set_result(message["result"])
        if _prompts(asked):
            self.screen.prompting -= 1

    def _asked(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        answer = self.answers.get(method)
        if answer is None:
            self.problems.append(f"an unexpected request: {method} {params}")
            error = {"code": -32601, "message": "this editor has no such thing"}
            self.pipe.write({"id": request_id, "error": error})
        else:
            self.pipe.write({"id": request_id, "result": answer(params)})


def _meant(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The method and parameters of a request, or those of the command that it executes."""
    if asked.method != "workspace/executeCommand":
        return asked.method, asked.params
    given = asked.params.get("arguments") or [{}]
    return COMMANDS.get(asked.params["command"], ""), given[0]


def _prompts(asked: Asked) -> bool:
    return _meant(asked)[0] in ("agentd/chat", "agentd/turn/retry", "agentd/session/resume")
