"""Finding this project's transcripts among all of a person's, by the beginning of each file."""

import json
import os
import time
from pathlib import Path

import pytest

from agentd.importing.scanning import Places, places, scan
from agentd.protocol import Found
from tests.importing.golden import CASES, IDS, input_of
from tests.importing.test_daemon import machine

INPUTS = {name: input_of(case) for name, case in zip(IDS, CASES, strict=True)}


def where(base: Path) -> Places:
    return Places(base / "project", base / ".claude" / "projects", base / ".codex" / "sessions", base / ".amplifier")


def placed(path: Path, case: str, cwd: Path, age: int) -> None:
    """A golden input as a file of a person's, made in this directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = INPUTS[case].read_text().replace("/home/ann/shop", str(cwd))
    path.write_text(text)
    os.utime(path, (1_790_000_000 - age, 1_790_000_000 - age))


@pytest.fixture
def found(tmp_path: Path) -> list[Found]:
    root = tmp_path / "project"
    places = where(tmp_path)
    placed(places.claude / "-p" / "a.jsonl", "claude-code/plain", root, 10)
    placed(places.claude / "-p-web" / "b.jsonl", "claude-code/commands", root / "web", 20)
    placed(places.claude / "-other" / "c.jsonl", "claude-code/branches", Path("/elsewhere"), 0)
    placed(places.claude / "-p" / "agent-d.jsonl", "claude-code/sub-agent-own-file", root, 0)
    placed(places.claude / "-p" / "a" / "subagents" / "agent-e.jsonl", "claude-code/sub-agent-own-file", root, 0)
    placed(places.claude / "-p" / "f.jsonl", "claude-code/branches", Path(f"{root}-two"), 0)
    (places.claude / "-p" / "g.jsonl").symlink_to(places.claude / "-p" / "a.jsonl")
    (places.claude / "-p" / "h.jsonl").write_bytes(b"")
    os.mkfifo(places.claude / "-p" / "i.jsonl")
    placed(places.codex / "2026" / "05" / "06" / "rollout-x.jsonl", "codex/new", root, 30)
    placed(places.codex / "2026" / "05" / "06" / "rollout-y.jsonl", "codex/old", Path("/elsewhere"), 0)
    placed(root / ".agenix" / "my_work.jsonl", "agenix/lines", root, 40)
    placed(root / "agentry" / "session_history" / "my_project_chat.toon", "agentry/document", root, 50)
    amazon = root / ".amazonq" / "sessions" / "550e"
    amazon.mkdir(parents=True)
    for name in ("metadata.json", "analysis.md"):
        (amazon / name).write_bytes((INPUTS["amazonq/documents"] / name).read_bytes())
        os.utime(amazon / name, (1_790_000_000 - 60, 1_790_000_000 - 60))
    result = scan(places, {("codex", "01900000-aaaa-7000-8000-000000000001"): "made-of-it"})
    assert result.problems == ()
    return list(result.found)


def test_those_of_the_root_newest_first(found: list[Found]) -> None:
    assert [(one.format, one.title) for one in found] == [
        ("claude-code", "Add a login"),
        ("claude-code", "What is <b>this</b> file?"),
        ("codex", "Look at"),
        ("agenix", "Look at this"),
        ("agentry", "Hello"),
        ("amazonq", "Auth Feature Work"),
    ]
    assert [one.imported for one in found] == [None, None, "made-of-it", None, None, None]
    assert found[0].last_active == "2026-09-21T14:13:10.000Z"
    assert found[0].bytes == Path(found[0].uri.removeprefix("file://")).stat().st_size


def test_nothing_there(tmp_path: Path) -> None:
    assert scan(where(tmp_path), {}).found == ()


def test_the_clients_places_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/daemon")
    monkeypatch.setenv("CODEX_HOME", "/daemon/c")
    asked = places({"HOME": "/client", "CLAUDE_CONFIG_DIR": "/client/x"}, "/root")
    assert (asked.claude, asked.codex) == (Path("/client/x/projects"), Path("/client/.codex/sessions"))
    assert places({"HOME": "/client", "CODEX_HOME": "relative"}, "/root").codex == Path("/client/.codex/sessions")
    assert places({"PATH": "/bin"}, "/root").codex == Path("/daemon/c/sessions")


def test_thousands_of_files_are_soon_looked_at(tmp_path: Path) -> None:
    places = where(tmp_path)
    prompt = json.dumps({"type": "user", "sessionId": "s", "cwd": str(places.root), "message": {"content": "Hi"}})
    rest = "\n" + json.dumps({"type": "assistant", "message": {"content": "x" * 30_000}}) + "\n"
    for number in range(3000):
        directory = places.claude / f"-p{number % 100}"
        directory.mkdir(parents=True, exist_ok=True)
        mine = prompt if number % 10 == 0 else prompt.replace("project", "another")
        (directory / f"{number}.jsonl").write_text(mine + rest)
    begun = time.process_time()
    assert len(scan(places, {}).found) == 300
    assert time.process_time() - begun < 3


@pytest.mark.anyio
async def test_through_the_daemon_it_says_what_was_imported() -> None:
    async with machine() as (home, _, client):
        placed(home.base / "home" / ".claude" / "projects" / "-p" / "a.jsonl", "claude-code/plain", home.root, 0)
        (one,) = (await client.scan()).found
        assert one.imported is None
        session = (await client.import_session(uri=one.uri)).session
        (again,) = (await client.scan()).found
        assert again.imported == session.id
