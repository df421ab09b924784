"""Plays a scenario on a daemon: editors, the scripted model, and what must be true at the end."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from tests.support.daemon import Daemon, Way, daemon_of
from tests.support.editor import LIMIT, Asked, Editor, RequestError
from tests.support.home import KEY, Home, make_home
from tests.support.matching import mismatch
from tests.support.messages_api import MessagesApi
from tests.support.messages_api.scriptfile import ScriptFile
from tests.support.messages_api.scriptfile import read as read_script
from tests.support.scenario import Scenario, Step, at, conversation, filled


class Player:
    """One run. ``kept`` are the ``$names``."""

    def __init__(self, scenario: Scenario, way: Way, home: Home, api: MessagesApi, script: ScriptFile) -> None:
        self.scenario = scenario
        self.way = way
        self.home = home
        self.api = api
        self.script = script
        self.kept: dict[str, Any] = {"root": str(home.root), "model": api.url}
        self.editors: dict[str, Editor] = {}
        self.begun: dict[str, Asked] = {}
        self.environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url, **scenario.environment}
        self.environment = {name: filled(value, self.kept) for name, value in self.environment.items() if value}
        self.daemon: Daemon | None = None
        self.stack = AsyncExitStack()

    async def play(self) -> None:
        async with self.stack:
            self.stack.callback(self._give_up)
            for number, step in enumerate(self.scenario.step, 1):
                try:
                    await self._step(step)
                except Exception as error:
                    error.add_note(
                        f"in step {number} of '{self.scenario.title}': {step.model_dump(exclude_defaults=True)}"
                    )
                    raise
            await self._check_transcripts()
            for editor in self.editors.values():
                await editor.close()
        assert " ERROR " not in self.home.log(), self.home.log()
        assert not self.api.unexpected

    async def editor(self, name: str) -> Editor:
        if self.daemon is None:
            self.daemon = await self.stack.enter_async_context(daemon_of(self.way, self.home))
        if name not in self.editors:
            pipe = await self.daemon.dial(self.environment)
            self.editors[name] = await Editor.attach(pipe, str(self.home.root), name=name)
        return self.editors[name]

    def _give_up(self) -> None:
        """The daemon is about to be stopped: what goes wrong from here on is no news."""
        for editor in self.editors.values():
            editor.may_be_lost = True

    async def _step(self, step: Step) -> None:
        if step.stop:
            await self._stop()
            return
        if step.write:
            for path, text in step.write.items():
                self.home.write(filled(path, self.kept), text)
            return
        editor = await self.editor(step.by)
        if step.do or step.command:
            await self._ask(editor, step)
        elif step.finish:
            await self._answer(step, self.begun.pop(step.finish))
        elif step.cancel:
            editor.cancel(self.begun[step.cancel])
        elif step.notify:
            editor.notify(step.notify, filled(step.params, self.kept))
        elif step.sees:
            session = filled(step.session, self.kept)
            event = await editor.event(step.sees, session=session, like=filled(step.like, self.kept))
            self._keep(step, event)
        elif step.shows:
            await editor.shows(filled(step.shows.session, self.kept), step.shows.turn, step.shows.text)
        elif step.open:
            self.script.gates[step.open].open()
        elif step.reached:
            await asyncio.wait_for(self.script.gates[step.reached].reached.wait(), LIMIT)
        elif step.asked is not None:
            await self._check_request(step, step.asked)
        elif step.disconnected is not None:
            await asyncio.wait_for(self.api.wait_disconnected(step.disconnected), LIMIT)
        elif step.drop:
            await self.editors.pop(step.by).drop()
        elif step.leave:
            await self.editors.pop(step.by).close()

    async def _ask(self, editor: Editor, step: Step) -> None:
        for other in self.editors.values() if step.ends else ():
            other.may_be_lost = True
        params = filled(step.params, self.kept)
        method = step.do or "workspace/executeCommand"
        if step.command:
            params = {"command": step.command, "arguments": [params]}
        if step.until:
            async with asyncio.timeout(LIMIT):
                while mismatch(filled(step.gives, self.kept), await editor.request(method, params)) is not None:
                    pass
            return
        asked = editor.begin(method, params)
        if step.begin:
            self.begun[step.begin] = asked
        else:
            await self._answer(step, asked)

    async def _answer(self, step: Step, asked: Asked) -> None:
        if step.fails is None:
            result = await asked.answer()
            told = mismatch(filled(step.gives, self.kept), result) if step.gives is not None else None
            assert told is None, f"{asked.method}: {told}"
            self._keep(step, result)
            return
        try:
            result = await asked.answer()
        except RequestError as error:
            fails = step.fails
            assert fails.kind in (None, error.kind), f"{asked.method}: {error.kind}, should be {fails.kind}: {error}"
            assert fails.code in (None, error.code), f"{asked.method}: {error.code}, should be {fails.code}: {error}"
            told = mismatch("~" + filled(fails.words, self.kept), error.message)
            assert told is None, f"{asked.method}: {told}"
        else:
            raise AssertionError(f"{asked.method} should have failed, and answered {result}")

    def _keep(self, step: Step, value: Any) -> None:
        for name, path in step.keep.items():
            self.kept[name] = at(value, path)

    async def _check_request(self, step: Step, number: int) -> None:
        exchange = await asyncio.wait_for(self.api.wait_for_request(number), LIMIT)
        assert exchange.refusal is None, exchange.refusal
        if step.conversation is not None:
            told = mismatch(filled(step.conversation, self.kept), conversation(exchange.body))
            assert told is None, f"request {number}: {told}"
        if step.like is not None:
            told = mismatch(filled(step.like, self.kept), exchange.body)
            assert told is None, f"request {number}: {told}"

    async def _stop(self) -> None:
        """The daemon ends; its editors are left with a lost connection, and are checked and forgotten."""
        assert self.daemon is not None
        for editor in self.editors.values():
            editor.may_be_lost = True
        await self.daemon.stop()
        for editor in self.editors.values():
            await editor.lost()
            await editor.close()
        self.editors.clear()
        await self.stack.aclose()
        self.daemon = None

    async def _check_transcripts(self) -> None:
        """Read by an editor that was not there, and compared with what is on everybody's screen."""
        for transcript in self.scenario.transcript:
            session_id = filled(transcript.session, self.kept)
            reader = await self.editor("reader")
            await reader.request("agentd/session/resume", {"sessionId": session_id, "limit": 1000})
            read = reader.screen.sessions[session_id]
            assert read.lines() == filled(transcript.turns, self.kept)
            for editor in self.editors.values():
                shown = editor.screen.sessions.get(session_id)
                for number, turn in (shown.turns if shown and session_id in editor.screen.subscribed else {}).items():
                    assert number not in read.turns or turn.line() == read.turns[number].line(), editor.name


class Errors(logging.Handler):
    """What a daemon in this process logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


@contextmanager
def no_errors() -> Iterator[None]:
    """Nothing within is logged as an error, by a daemon in this process."""
    errors = Errors()
    logging.getLogger("agentd").addHandler(errors)
    try:
        yield
    finally:
        logging.getLogger("agentd").removeHandler(errors)
    assert not errors.told, errors.told


async def play(scenario: Scenario, way: Way) -> None:
    """Run a scenario on a home of its own, and stop all it started."""
    script = read_script({"replies": scenario.replies, "rules": scenario.rules})
    async with MessagesApi(script.replies, rules=script.rules) as api:
        with make_home(filled(scenario.settings, {"model": api.url})) as home:
            for path, text in scenario.files.items():
                home.write(path, text)
            for name, text in scenario.agents.items():
                home.agent(name, text)
            player = Player(scenario, way, home, api, script)
            try:
                with no_errors():
                    await player.play()
            except BaseException as error:
                for editor in player.editors.values():
                    await editor.drop()
                    if problems := [*editor.problems, *editor.screen.problems]:
                        error.add_note(f"{editor.name}: " + "; ".join(problems))
                if log := home.log():
                    error.add_note("The daemon's log:\n" + log[-4000:])
                raise
            assert len(api.requests) >= len(script.replies), "the model was asked less often than the script foresees"
