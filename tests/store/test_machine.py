"""Any order of everything that is done to sessions, killed and reopened in between, against a plain model.

The file store and the in-memory store alike.
"""

import asyncio
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentd.core.records import mark_draft
from agentd.errors import InvalidParams, SessionNotFound
from agentd.protocol import Item, ListParams, Turn
from agentd.store.api import QueuedPrompt, SessionLog, Store
from agentd.store.files import Files
from agentd.store.memory import MemoryStore
from agentd.store.project import FileStore
from tests.store.model import ModelMark, ModelSession, ModelTurn
from tests.store.support import TIME, end_of, new_metadata, start_of

T = TypeVar("T")
PICK = st.integers(0, 1 << 16)
TEXT = st.sampled_from(["a", "größer\n", "x" * 3000, '"quoted" \\ \u2028', "\U0001f600"])


class Mortal(Files):
    """The disk of a process that is killed: nothing of it reaches the disk any more."""

    dead = False

    def _live(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def create(self, path: Path) -> int:
        self._live()
        return super().create(path)

    def append_to(self, path: Path, *, create: bool = False) -> int:
        self._live()
        return super().append_to(path, create=create)

    def write(self, fd: int, data: bytes) -> None:
        self._live()
        super().write(fd, data)

    def truncate_open(self, fd: int, size: int) -> None:
        self._live()
        super().truncate_open(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        self._live()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._live()
        super().unlink(path)

    def remove_tree(self, path: Path) -> None:
        self._live()
        super().remove_tree(path)


class Sessions(RuleBasedStateMachine):
    """Rules over any store; subclasses say how one is made, killed and made again."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, ModelSession] = {}
        self.logs: dict[str, SessionLog] = {}
        self.cut_off: set[str] = set()
        """Killed in a turn and not opened since: that is what starting tells."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(60):
                return await work

        return self.runner.run(limited())

    async def make(self) -> None:
        """A store on what is kept."""
        raise NotImplementedError

    async def die(self) -> None:
        """The process of the store is killed."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.run(self.make())
        self.run(self.store.start())

    def teardown(self) -> None:
        try:
            if hasattr(self, "store"):
                self.run(self.store.close())
        finally:
            self.runner.close()

    def pick(self, number: int) -> tuple[str, ModelSession]:
        return list(self.model.items())[number % len(self.model)]

    async def log(self, session_id: str) -> SessionLog:
        if session_id not in self.logs:
            self.logs[session_id] = await self.store.open(session_id)
            self.cut_off.discard(session_id)
        return self.logs[session_id]

    @rule()
    def new(self) -> None:
        metadata = new_metadata(str(uuid.uuid4()))
        self.logs[metadata.id] = self.run(self.store.create(metadata, ()))
        self.model[metadata.id] = ModelSession()

    @precondition(lambda self: self.model)
    @rule(number=PICK, prompt=TEXT, reply=TEXT, split=st.booleans())
    def turn(self, number: int, prompt: str, reply: str, split: bool) -> None:
        session_id, model = self.pick(number)

        async def work() -> int:
            log = await self.log(session_id)
            turn = log.last_turn + 1
            if split:
                await log.append(start_of(turn, prompt))
                log.journal_start(turn, Item(id=f"{turn}.2", kind="text"))
                log.journal_delta(turn, f"{turn}.2", reply)
                await log.append(end_of(turn, reply))
                log.journal_clear()
            else:
                await log.append([*start_of(turn, prompt), *end_of(turn, reply)])
            return turn

        turn = self.run(work())
        assert turn == model.given + 1
        model.given = turn
        model.recorded.append(ModelTurn(turn, "completed", (prompt, reply)))

    @precondition(lambda self: self.model)
    @rule(number=PICK, prompt=TEXT, shown=st.lists(TEXT, max_size=3))
    def killed_in_a_turn(self, number: int, prompt: str, shown: list[str]) -> None:
        session_id, model = self.pick(number)

        async def work() -> int:
            log = await self.log(session_id)
            turn = log.last_turn + 1
            await log.append(start_of(turn, prompt))
            if shown:
                log.journal_start(turn, Item(id=f"{turn}.2", kind="text"))
                for text in shown:
                    log.journal_delta(turn, f"{turn}.2", text)
            return turn

        model.given = self.run(work())
        self.cut_off.add(session_id)
        self.run(self.killed())
        model.recorded.append(ModelTurn(model.given, "interrupted", (prompt, *(["".join(shown)] if shown else []))))

    @rule()
    def kill(self) -> None:
        self.run(self.killed())

    async def killed(self) -> None:
        await self.die()
        await self.started_again()

    async def started_again(self) -> None:
        self.logs.clear()
        await self.make()
        assert set(await self.store.start()) == self.cut_off

    @rule()
    def reopen(self) -> None:
        async def work() -> None:
            await self.store.close()
            await self.started_again()

        self.run(work())

    @precondition(lambda self: self.model)
    @rule(number=PICK)
    def let_go(self, number: int) -> None:
        log = self.logs.pop(self.pick(number)[0], None)
        if log is not None:
            self.run(log.close())

    @precondition(lambda self: self.model)
    @rule(number=PICK, at=PICK)
    def fork(self, number: int, at: int) -> None:
        session_id, model = self.pick(number)
        turns = [0, *model.ended]
        through = turns[at % len(turns)]
        metadata = new_metadata(str(uuid.uuid4()))

        async def work() -> SessionLog:
            log = await self.log(session_id)
            with pytest.raises(InvalidParams):
                await self.store.fork(log, model.given + 1, new_metadata())
            return await self.store.fork(log, through, metadata)

        self.logs[metadata.id] = self.run(work())
        self.model[metadata.id] = model.forked(through)

    @precondition(lambda self: self.model)
    @rule(number=PICK, kind=st.sampled_from(["clear", "compact", "rewind"]), at=PICK)
    def mark(self, number: int, kind: str, at: int) -> None:
        session_id, model = self.pick(number)
        shown = [0, *(turn.number for turn in model.fold().turns)]
        through = shown[at % len(shown)]
        summary = f"summary {at}" if kind == "compact" else None
        draft = mark_draft(kind, through, summary=summary)  # type: ignore[arg-type]

        async def work() -> None:
            await (await self.log(session_id)).append([draft])

        self.run(work())
        model.recorded.append(ModelMark(kind, through, summary))

    @precondition(lambda self: self.model)
    @rule(
        number=PICK,
        name=st.sampled_from(["one", "größer", "two words"]),
        status=st.sampled_from(["active", "archived"]),
    )
    def name_archive_restore(self, number: int, name: str, status: str) -> None:
        session_id, model = self.pick(number)

        async def work() -> None:
            log = await self.log(session_id)
            await log.save_metadata(log.metadata.changed(name=name, name_source="user", status=status))

        self.run(work())
        model.name, model.status = name, status

    @precondition(lambda self: self.model)
    @rule(number=PICK, prompt=TEXT)
    def queue(self, number: int, prompt: str) -> None:
        session_id, model = self.pick(number)
        model.given += 1
        model.queued[model.given] = prompt

        async def work() -> None:
            await (await self.log(session_id)).enqueue(QueuedPrompt(model.given, prompt, TIME))

        self.run(work())

    @precondition(lambda self: any(model.queued for model in self.model.values()))
    @rule(number=PICK)
    def unqueue(self, number: int) -> None:
        waiting = [(session_id, turn) for session_id, model in self.model.items() for turn in model.queued]
        session_id, turn = waiting[number % len(waiting)]

        async def work() -> None:
            await (await self.log(session_id)).dequeue(turn)

        self.run(work())
        del self.model[session_id].queued[turn]

    @precondition(lambda self: self.model)
    @rule(number=PICK, data=st.binary(max_size=40))
    def keep_a_blob(self, number: int, data: bytes) -> None:
        session_id, model = self.pick(number)

        async def work() -> str:
            return await (await self.log(session_id)).put_blob(data)

        model.blobs[self.run(work())] = data

    @precondition(lambda self: self.model)
    @rule(number=PICK)
    def delete(self, number: int) -> None:
        session_id, model = self.pick(number)

        async def work() -> None:
            (remains,) = await self.store.measure([session_id])
            assert remains.queued == len(model.queued)
            log = self.logs.pop(session_id, None)
            assert await self.store.delete(session_id, log) == remains.bytes > 0
            for gone in [self.store.open(session_id), *([log.page(None, 1)] if log else [])]:
                with pytest.raises(SessionNotFound):
                    await gone

        self.run(work())
        self.forget(session_id)

    def forget(self, session_id: str) -> None:
        del self.model[session_id]
        self.cut_off.discard(session_id)

    @precondition(lambda self: len(self.model) > 1)
    @rule()
    def clean_up_archived(self) -> None:
        going = [session_id for session_id, model in self.model.items() if model.status == "archived"]

        async def work() -> None:
            expected = sum(one.bytes for one in await self.store.measure(going))
            freed = [await self.store.delete(session_id, self.logs.pop(session_id, None)) for session_id in going]
            assert sum(freed) == expected

        self.run(work())
        for session_id in going:
            self.forget(session_id)

    @precondition(lambda self: self.model)
    @rule(number=PICK, limit=st.integers(1, 4))
    def read_all_of_one(self, number: int, limit: int) -> None:
        session_id, model = self.pick(number)
        self.run(self.check_session(session_id, model, limit))

    async def check_session(self, session_id: str, model: ModelSession, limit: int) -> None:
        log = await self.log(session_id)
        fold = model.fold()
        pages: list[tuple[Turn, ...]] = []
        before: int | None = None
        while True:
            page = await log.page(before, limit)
            pages.insert(0, page.turns)
            assert len(page.turns) <= limit
            before = page.before
            if before is None:
                break
        assert [told(turn) for turns in pages for turn in turns] == list(fold.turns)
        conversation = await log.conversation(1 << 30)
        assert [told(turn) for turn in conversation.turns] == list(fold.sent)
        assert conversation.summary == fold.summary
        assert log.last_turn == model.given
        assert {prompt.number: prompt.prompt for prompt in log.queued} == model.queued
        newest = next((one for one in reversed(model.recorded) if isinstance(one, ModelTurn)), None)
        assert (told(log.last) if log.last else None) == newest
        assert (log.metadata.name, log.metadata.status) == (model.name, model.status)
        for digest, data in model.blobs.items():
            assert await log.blob(digest) == data
        assert log.problems == ()

    @invariant()
    def lists_what_there_is(self) -> None:
        if not hasattr(self, "store"):
            return
        listed = self.run(self.store.list_metadata())
        expected = {session_id: (model.name, model.status) for session_id, model in self.model.items()}
        assert {one.id: (one.name, one.status) for one in listed} == expected and len(listed) == len(expected)
        page = self.run(self.store.index.page(ListParams(status="all", limit=1000)))
        assert {row.id for row in page.rows} == set(expected) and page.total == len(expected)


def told(turn: Turn) -> ModelTurn:
    return ModelTurn(turn.number, turn.status, tuple(item.text or "" for item in turn.items))


class OnFiles(Sessions):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.disk = Mortal()

    async def make(self) -> None:
        self.disk = Mortal()
        self.store = FileStore(self.directory / "project", str(self.directory / "root"), files=self.disk)

    async def die(self) -> None:
        self.disk.dead = True
        # Its threads would outlive it otherwise; on its disk nothing changes any more.
        await self.store.close()

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.directory)


class InMemory(Sessions):
    """Killed is only who held the sessions: what a store in memory keeps goes with the process itself."""

    async def make(self) -> None:
        if not hasattr(self, "store"):
            self.store = MemoryStore()

    async def die(self) -> None:
        pass


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestOnFiles = pytest.mark.timeout(300)(OnFiles.TestCase)
TestOnFiles.settings = settings(max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=QUIET)
TestInMemory = pytest.mark.timeout(300)(InMemory.TestCase)
TestInMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=QUIET)
