"""AgentSession in this process: on a store, with a loader, with models and orchestrators of one's own, no daemon."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentd import AgentSession, FileStore, MemoryStore, errors
from agentd.api import ModuleFailed, ModuleLoader, TurnFailed, TurnRunner, UnknownModule
from agentd.api.modules import ModuleFactory
from agentd.api.provided import ProvidedModels
from agentd.core.exchange import BlockDelta, BlockEnded, BlockStarted, ModelEvent, ModelTraits, Request, Stopped
from agentd.core.metadata import Metadata
from agentd.core.records import Draft
from agentd.models.api import Model
from agentd.protocol import ContextItem
from agentd.store.api import SessionLog
from tests.api.support import machine
from tests.support.home import Home, make_home
from tests.support.messages_api.script import say
from tests.support.scenario import conversation

pytestmark = pytest.mark.anyio


class Echo:
    """A model of one's own: says what it was asked last. ``stuck``: begins, and never ends."""

    def __init__(self, model_id: str = "echo-1", *, stuck: bool = False) -> None:
        self.traits = ModelTraits(id=model_id, provider="echo", context_window=10_000, max_output=1000)
        self.stuck = stuck
        self.asked = asyncio.Event()

    async def stream(self, request: Request, environment: Mapping[str, str]) -> AsyncGenerator[ModelEvent]:
        self.asked.set()
        yield BlockStarted("text")
        yield BlockDelta("You said: ")
        if self.stuck:
            await asyncio.Event().wait()
        last = request.messages[-1].blocks[-1]
        yield BlockDelta(getattr(last, "text", ""))
        yield BlockEnded()
        yield Stopped("end_turn")


class EchoProvider:
    def __init__(self, *models: Model) -> None:
        self.models: Sequence[Model] = models
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Twice:
    """An orchestrator: asks a second time."""

    async def execute(self, prompt: str, turns: TurnRunner) -> str:
        first = await turns.turn(prompt)
        second = await turns.turn("Sure?")
        return f"{first.number} and {second.number}"


class Notes:
    """A context module: a note for each prompt."""

    async def gather(self, prompt: str) -> Sequence[ContextItem]:
        return [ContextItem(type="text", title="note", text=f"about {prompt}")]


class Grep:
    name = "grep"
    description = "Search"
    input_schema: Mapping[str, Any] = {"type": "object"}

    async def execute(self, arguments: Mapping[str, Any]) -> str:
        return ""


class Loader:
    """A loader that knows what a test gives it."""

    def __init__(self, **modules: object) -> None:
        self.modules = {name.replace("_", "-"): module for name, module in modules.items()}
        self.asked: list[tuple[str, str, str | None]] = []

    def load(self, group: str, module: str, source: str | None) -> ModuleFactory | None:
        self.asked.append((group, module, source))
        found = self.modules.get(module)
        return None if found is None else (lambda config: found)


def echo_plan(**session: str) -> dict[str, Any]:
    return {"session": session, "providers": [{"module": "echo", "source": "here"}]}


def store_of(home: Home) -> FileStore:
    return FileStore(home.base / "store", str(home.root))


async def test_on_a_store_of_ones_own_no_daemon_runs() -> None:
    async with machine([say("Four."), say("Still.")]) as (home, api):
        plan = {"providers": [{"module": "provider-anthropic", "config": {"max_tokens": 77}}]}
        async with AgentSession(plan, store=store_of(home)) as session:
            assert await session.execute("2 + 2?") == "Four."
            asked = session.session_id
        assert api.requests[0].body["max_tokens"] == 77
        async with AgentSession(session_id=asked, store=store_of(home)) as again:
            assert await again.execute("Sure?") == "Still."
        assert conversation(api.requests[1].body) == ["user: 2 + 2?", "assistant: Four.", "user: Sure?"]
        assert not (home.data / "projects").exists()


async def test_a_loader_brings_models_orchestrator_and_context_of_ones_own() -> None:
    with make_home() as home:
        provider = EchoProvider(Echo())
        loader: ModuleLoader = Loader(echo=provider, twice=Twice(), notes=Notes())
        plan = echo_plan(orchestrator="twice", context="notes")
        async with AgentSession(plan, loader, root=home.root) as session:
            assert await session.execute("Hi") == "1 and 2"
            assert (session.session.model, session.session.provider) == ("echo-1", "echo")
            assert [message["content"] for message in await session.messages()] == [
                "Hi",
                "You said: Hi",
                "Sure?",
                "You said: Sure?",
            ]
        assert provider.closed
        assert isinstance(loader, Loader)
        assert ("agentd.models", "echo", "here") in loader.asked


async def test_children_and_events_are_the_same_in_this_process() -> None:
    with make_home() as home:
        loader = Loader(echo=EchoProvider(Echo()))
        async with AgentSession(echo_plan(), loader, root=home.root, store=store_of(home)) as parent:
            await parent.execute("Begin")
            parent_id = parent.session_id
        async with AgentSession(echo_plan(), loader, None, parent_id, root=home.root, store=store_of(home)) as child:
            events = child.events()
            assert await child.execute("Go") == "You said: Go"
            assert child.session_id.startswith(f"{parent_id}-agent-")
            assert (await anext(events)).parent_id == parent_id


async def test_cancelling_interrupts_and_keeps_what_came() -> None:
    with make_home() as home:
        stuck = Echo(stuck=True)
        async with AgentSession(echo_plan(), Loader(echo=EchoProvider(stuck)), root=home.root) as session:
            executing = asyncio.ensure_future(session.execute("Hi"))
            await stuck.asked.wait()
            executing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await executing
            stuck.stuck = False
            assert await session.execute("Again") == "You said: Again"
            told = await session.messages()
            assert told[0] == {"role": "user", "content": "Hi"}
            assert told[-2]["content"] == "Again"


async def test_cleanup_in_the_middle_of_a_turn_saves_it() -> None:
    with make_home() as home:
        stuck = Echo(stuck=True)
        loader = Loader(echo=EchoProvider(stuck))
        session = AgentSession(echo_plan(), loader, root=home.root, store=store_of(home))
        await session.initialize()
        asked = session.session_id
        executing = asyncio.ensure_future(session.execute("Hi"))
        await stuck.asked.wait()
        await session.cleanup()
        with pytest.raises((TurnFailed, errors.AgentdError)):
            await executing
        async with AgentSession(echo_plan(), loader, asked, root=home.root, store=store_of(home)) as again:
            assert (await again.messages())[0] == {"role": "user", "content": "Hi"}


class Counting(MemoryStore):
    """A store of the user's own, which keeps what ours keeps and counts what is made."""

    made = 0

    async def create(self, metadata: Metadata, drafts: Sequence[Draft]) -> SessionLog:
        self.made += 1
        return await super().create(metadata, drafts)


async def test_a_store_in_memory_serves_one_session_after_another() -> None:
    with make_home() as home:
        store = Counting()
        loader = Loader(echo=EchoProvider(Echo()))
        async with AgentSession(echo_plan(), loader, "work", root=home.root, store=store) as session:
            await session.execute("Hi")
        async with AgentSession(echo_plan(), loader, "work", root=home.root, store=store) as again:
            assert len(await again.messages()) == 2
            assert await again.execute("More") == "You said: More"
        assert store.made == 1
        assert not (home.data / "projects").exists()


async def test_a_model_that_no_provider_has_is_named() -> None:
    with make_home() as home:
        first = Loader(echo=EchoProvider(Echo("echo-1")))
        async with AgentSession(echo_plan(), first, root=home.root, store=store_of(home)) as session:
            await session.execute("Hi")
        with pytest.raises(errors.ModelUnavailable, match="'echo-9' is offered by no mounted provider"):
            ProvidedModels([EchoProvider(Echo())]).find("echo-9")


async def test_one_writer_for_a_store(tmp_path: Path) -> None:
    with make_home() as home:
        loader = Loader(echo=EchoProvider(Echo()))
        async with AgentSession(echo_plan(), loader, root=home.root, store=store_of(home)):
            with pytest.raises(errors.SessionInUse, match="used by another program"):
                await AgentSession(echo_plan(), loader, root=home.root, store=store_of(home)).initialize()
        async with AgentSession(echo_plan(), loader, root=home.root, store=store_of(home)) as after:
            assert await after.execute("Hi") == "You said: Hi"


@pytest.mark.parametrize(
    ("plan", "kind", "words"),
    [
        (
            {"session": {"orchestrator": "loop-streaming"}},
            UnknownModule,
            "no module 'loop-streaming' among the orchestrators; known: loop-basic",
        ),
        (
            {"providers": [{"module": "provider-x", "source": "git+https://example.test/x@main; rm -rf /"}]},
            UnknownModule,
            r"known: .*provider-anthropic, provider-local\..*pip install 'git\+https://example.test/x@main; rm -rf /'",
        ),
        ({"session": {"context": "broken"}}, ModuleFailed, "'broken' is not a ContextModule: it needs gather"),
        ({"providers": [{"module": "empty"}]}, ModuleFailed, "it needs close, and models, at least one"),
        ({"tools": [{"module": "grep"}]}, errors.InvalidParams, "grep: found, but this version runs no tools yet"),
        ({"tools": [{"module": "tool-bash"}]}, UnknownModule, "among the tools; known: none"),
        (
            {"providers": [{"module": "provider-anthropic", "config": {"modle": "x"}}]},
            errors.InvalidParams,
            r"config\.modle: there is no such key; known: model",
        ),
        (
            {"providers": [{"module": "provider-anthropic", "config": {"max_tokens": 0}}]},
            errors.InvalidParams,
            "max_tokens=0",
        ),
        (
            {"providers": [{"module": "echo"}, {"module": "provider-local"}]},
            errors.InvalidParams,
            "do not go together",
        ),
    ],
)
async def test_wrong_modules_are_named(plan: dict[str, Any], kind: type[Exception], words: str) -> None:
    loader = Loader(broken=object(), empty=EchoProvider(), grep=Grep(), echo=EchoProvider(Echo()))
    with make_home() as home, pytest.raises(kind, match=words):
        await AgentSession(plan, loader, root=home.root).initialize()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"provders": []}, r"config\.provders: there is no such key; known: session, providers, tools"),
        ({"session": {"orchestrater": "x"}}, r"config\.session\.orchestrater: .* known: orchestrator, context"),
        ({"providers": [{"modul": "x"}]}, r"config\.providers\.0\.modul: .*; known: module, source, config"),
        ({"providers": [{"config": {}}]}, r"config\.providers\.0\.module: Field required"),
        ({"providers": {"module": "x"}}, r"config\.providers: "),
        ({"hooks": [{"module": "x"}]}, r"config\.hooks: this version has no hooks"),
        (["providers"], "config: a mount plan is a mapping"),
    ],
)
def test_wrong_keys_are_named(plan: Any, words: str) -> None:
    with pytest.raises(errors.InvalidParams, match=words):
        AgentSession(plan)


async def test_a_factory_that_fails_is_told() -> None:
    class Failing:
        def load(self, group: str, module: str, source: str | None) -> ModuleFactory | None:
            def make(config: Mapping[str, Any]) -> object:
                raise ValueError("no licence")

            return make

    with make_home() as home, pytest.raises(ModuleFailed, match="could not be made: ValueError: no licence"):
        await AgentSession(loader=Failing(), root=home.root).initialize()


PACKAGE = """
from tests.api.test_inprocess import Echo, EchoProvider

def make(config):
    return EchoProvider(Echo(config["model"]))
"""
POINTS = """
[agentd.models]
provider-packaged = packaged_models:make
provider-gone = packaged_nothing:make
provider-constant = packaged_models:PACKAGED
"""


async def test_an_installed_package_provides_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packaged_models.py").write_text(PACKAGE + "PACKAGED = 1\n")
    metadata = tmp_path / "packaged_models-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: packaged-models\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    with make_home() as home:
        plan: dict[str, Any] = {"providers": [{"module": "provider-packaged", "config": {"model": "packed-2"}}]}
        async with AgentSession(plan, root=home.root) as session:
            assert await session.execute("Hi") == "You said: Hi"
            assert session.session.model == "packed-2"
        for module, words in (
            ("provider-packaged", "could not be made: KeyError: 'model'"),
            ("provider-gone", "cannot be imported: ModuleNotFoundError"),
            ("provider-constant", "is no factory"),
        ):
            with pytest.raises(ModuleFailed, match=words):
                await AgentSession({"providers": [{"module": module}]}, root=home.root).initialize()
        with pytest.raises(UnknownModule, match="known: provider-anthropic, provider-constant, provider-gone"):
            await AgentSession({"providers": [{"module": "x"}]}, root=home.root).initialize()
