"""SessionManager: the documents' loops, in a project and in a directory, inside and outside a running loop."""

import asyncio
import json
import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agentd
from agentd import Agent, AgentSession, SessionManager, errors
from tests.api.support import machine
from tests.api.test_inprocess import Echo
from tests.support.home import make_home
from tests.support.messages_api.script import say
from tests.support.scenario import conversation

MESSAGES = [
    {"role": "system", "content": "You are a helpful AI assistant..."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi! How can I help?"},
]


@contextmanager
def in_directory(directory: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def use(sm: SessionManager) -> None:
    """All that the documents do with a manager."""
    assert sm.list_sessions() == []
    assert sm.load_session("my_project") is None
    assert not sm.session_exists("my_project")
    assert not sm.delete_session("my_project")
    before = datetime.now().replace(microsecond=0)
    sm.save_session("my_project", MESSAGES)
    sm.save_session("my_project", MESSAGES)
    assert sm.session_exists("my_project")
    assert sm.load_session("my_project") == MESSAGES
    (listed,) = sm.list_sessions()
    assert (listed["id"], listed["message_count"]) == ("my_project", 3)
    created = datetime.fromisoformat(listed["created_at"])
    assert before <= created <= datetime.now()
    assert created > datetime.now() - timedelta(days=30)
    more = [*MESSAGES, {"role": "user", "content": "More"}, {"role": "assistant", "content": "Sure."}]
    sm.save_session("my_project", more)
    assert sm.load_session("my_project") == more
    sm.save_session("my_project", more[-2:])
    assert sm.load_session("my_project") == more[-2:]
    sm.save_session("empty", [])
    assert {s["id"]: s["message_count"] for s in sm.list_sessions()} == {"my_project": 2, "empty": 0}
    for s in sm.list_sessions():
        if s["message_count"] == 0:
            assert sm.delete_session(s["id"])
    assert [s["id"] for s in sm.list_sessions()] == ["my_project"]
    assert sm.load_session("empty") is None


def test_a_directory_of_ones_own(tmp_path: Path) -> None:
    with in_directory(tmp_path):
        sm = SessionManager("my_custom_sessions/")
        assert not (tmp_path / "my_custom_sessions").exists()
        use(sm)
        assert (tmp_path / "my_custom_sessions").stat().st_mode & 0o077 == 0
    assert SessionManager(tmp_path / "my_custom_sessions").load_session("my_project") is not None


async def _project() -> None:
    async with machine() as (home, _):
        sm = SessionManager()
        use(sm)
        async with agentd.connect(home.root) as client:
            (seen,) = (await client.sessions()).sessions
            assert seen.name == "my_project"
            assert SessionManager(root=home.root).load_session(seen.id) == sm.load_session("my_project")
            assert not sm.session_exists(seen.id[:8])
            assert not sm.delete_session(seen.id[:8])


def test_the_projects_sessions_inside_a_running_loop() -> None:
    asyncio.run(_project())


def agenix_session() -> dict[str, Any]:
    return {
        "id": "20240101_120000",
        "working_dir": "/home/user/project",
        "model": "gpt-4o",
        "created_at": "2024-01-01T12:00:00Z",
        "metadata": {"name": "Refactoring auth module", "tags": ["refactoring", "authentication"]},
        "messages": [
            {"role": "user", "content": "What files are here?", "timestamp": "2024-01-01T12:00:00Z"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "I'll check..."}],
                "tool_calls": [{"id": "call_123", "name": "bash", "arguments": {"command": "ls -la"}}],
                "timestamp": "2024-01-01T12:00:01Z",
            },
            {"role": "tool", "tool_call_id": "call_123", "name": "bash", "content": "file1.py\n"},
        ],
    }


def test_the_other_call_form(tmp_path: Path) -> None:
    sm = SessionManager(tmp_path)
    session_data = agenix_session()
    sm.save_session(session_data)
    sm.save_session(session_data=session_data)
    assert sm.load_session("20240101_120000") == session_data["messages"]
    (metadata,) = [json.loads(path.read_text()) for path in tmp_path.glob("sessions/*/metadata.json")]
    assert metadata["tags"] == ["refactoring", "authentication"]
    assert metadata["description"] == "Refactoring auth module"
    assert metadata["tool_count"] == 1


def test_any_json_comes_back_from_disk(tmp_path: Path) -> None:
    sm = SessionManager(tmp_path)
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "x" * 300_000, "extra": {"a": [1, None, 2.5]}},
        {"role": "assistant", "content": None, "tool_calls": [{"id": 5, "function": "?"}]},
        {"role": "assistant", "content": "ünïcödé 🎉\u2028"},
        {"role": "tool", "content": "nobody called"},
    ]
    sm.save_session("odd", messages)
    assert SessionManager(tmp_path).load_session("odd") == messages


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("", MESSAGES), errors.InvalidName, "between 1 and 256"),
        (("x" * 257, MESSAGES), errors.InvalidName, "between 1 and 256"),
        (("a",), errors.InvalidParams, "needs them"),
        (("a", "Hello"), errors.InvalidParams, "messages: must be a list"),
        (("a", ["Hello"]), errors.InvalidParams, r"messages\.0: is no object"),
        (("a", [{"role": "user"}, {"role": "boss", "content": ""}]), errors.InvalidParams, r"messages\.1\.role"),
        (({"messages": []},), errors.InvalidParams, "session_data: must be a mapping with id"),
        (({"id": "a"},), errors.InvalidParams, "messages: must be a list"),
        (({"id": "a", "messages": []}, []), errors.InvalidParams, "session_id: must be a string"),
    ],
)
def test_wrong_uses_save_nothing(tmp_path: Path, arguments: Any, kind: type[Exception], words: str) -> None:
    sm = SessionManager(tmp_path / "sessions")
    with pytest.raises(kind, match=words):
        sm.save_session(*arguments)
    assert sm.list_sessions() == []


def test_two_places_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidParams, match="give one of them"):
        SessionManager(tmp_path, root=tmp_path)


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("mine")
    with pytest.raises(errors.StoreFailed, match="File exists"):
        SessionManager(tmp_path / "sessions").save_session("a", MESSAGES)
    assert (tmp_path / "sessions").read_text() == "mine"


def _save_many(directory: str, worker: int) -> None:
    for number in range(5):
        SessionManager(directory).save_session(f"s{worker}-{number}", MESSAGES)


def test_programs_that_share_a_directory_take_turns(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    workers = [processes.Process(target=_save_many, args=(str(tmp_path), number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(SessionManager(tmp_path).list_sessions()) == 15


class CustomSessionManager(SessionManager):
    """As in the documents: saves to a database, and calls no constructor of ours."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path)
        self.database.execute("create table if not exists sessions (id text primary key, data text)")

    def save_session(self, session_data: Any) -> None:  # type: ignore[override]
        row = (session_data["id"], json.dumps(session_data))
        self.database.execute("insert or replace into sessions values (?, ?)", row)

    def load_session(self, session_id: str) -> Any:
        row = self.database.execute("select data from sessions where id = ?", (session_id,)).fetchone()
        return json.loads(row[0]) if row else None


@pytest.mark.anyio
async def test_storage_of_ones_own_is_saved_to_after_each_turn_and_asked(tmp_path: Path) -> None:
    manager = CustomSessionManager(tmp_path / "sessions.db")
    async with machine([say("One."), say("Two."), say("Three.")]) as (home, api):
        async with AgentSession(session_id="work", session_manager=manager) as session:
            await session.execute("First")
            saved = manager.load_session("work")
            assert (saved["id"], saved["working_dir"], saved["model"]) == ("work", str(home.root), "claude-sonnet-5-5")
            assert [message["role"] for message in saved["messages"]] == ["user", "assistant"]
            assert saved["messages"][1]["content"] == [{"type": "text", "text": "One."}]
            assert saved["messages"][1]["usage"]["total_tokens"] > 0
            await session.execute("Second")
            assert len(manager.load_session("work")["messages"]) == 4
            assert saved["created_at"].endswith("Z")
        async with agentd.connect(home.root) as client:
            await client.delete("work")
        async with AgentSession(session_id="work", session_manager=manager) as again:
            await again.execute("Third")
        told = ["user: First", "assistant: One.", "user: Second", "assistant: Two.", "user: Third"]
        assert conversation(api.requests[-1].body) == told
        manager.database.close()


@pytest.mark.anyio
async def test_an_asynchronous_manager_and_one_of_the_other_form() -> None:
    class Remembering:
        def __init__(self) -> None:
            self.kept: dict[str, list[Any]] = {}

        async def save_session(self, session_id: str, messages: list[Any]) -> None:
            self.kept[session_id] = messages

        async def load_session(self, session_id: str) -> list[Any] | None:
            return self.kept.get(session_id)

    manager = Remembering()
    manager.kept["work"] = [{"role": "user", "content": "Before"}, {"role": "assistant", "content": "Yes."}]
    async with machine([say("One.")]):
        async with AgentSession(session_id="work", session_manager=manager) as session:  # type: ignore[arg-type]
            assert await session.execute("First") == "One."
        assert [message["content"] for message in manager.kept["work"][:3]] == ["Before", "Yes.", "First"]


def test_an_asynchronous_manager_may_call_ours(tmp_path: Path) -> None:
    class Wrapping:
        def __init__(self) -> None:
            self.ours = SessionManager(tmp_path)

        async def save_session(self, session_data: dict[str, Any]) -> None:
            self.ours.save_session(session_data)

        async def load_session(self, session_id: str) -> Any:
            return self.ours.load_session(session_id)

    manager = Wrapping()
    manager.ours.save_session("work", MESSAGES)
    with make_home() as home:
        agent = Agent(Echo(), root=home.root, session_manager=manager)
        assert agent.get_session("work").messages == MESSAGES
        assert asyncio.run(agent.chat("Hello", "work")) == "You said: Hello"
        asyncio.run(agent.close())
    assert len(manager.ours.load_session("work") or ()) == 5


@pytest.mark.anyio
async def test_our_own_manager_after_a_turn_changes_nothing() -> None:
    async with machine([say("One."), say("Two.")]) as (home, _):
        async with AgentSession(session_id="work", session_manager=SessionManager()) as session:
            await session.execute("First")
            await session.execute("Second")
        (path,) = home.sessions().glob("*/transcript.jsonl")
        assert b'"clear"' not in path.read_bytes()
        assert [s["message_count"] for s in SessionManager().list_sessions()] == [4]
