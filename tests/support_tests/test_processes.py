"""The server for tests that have no event loop: in a thread, and as a process of its own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.support.messages_api import (
    Gate,
    Http,
    Reply,
    Rules,
    ScriptFileError,
    Stall,
    Text,
    ThreadedMessagesApi,
    UnexpectedRequestError,
    Wait,
    read,
    say,
)

from .talk import HELLO

pytestmark = pytest.mark.timeout(30)

ROOT = Path(__file__).parents[2]


def ask(url: str) -> str:
    client = anthropic.Anthropic(base_url=url, api_key="test-key", max_retries=0)
    with client, client.messages.stream(**HELLO) as events:
        return events.get_final_text()


def test_a_synchronous_client_and_a_gate_opened_by_the_test() -> None:
    gate = Gate()
    with ThreadedMessagesApi([Reply((Text(("Hel", Wait(gate), "lo")),))]) as api, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(ask, api.url)
        gate.reached.wait_in_thread(10)
        assert api.wait_for_request(1).text == "Hel"
        gate.open()
        assert reading.result(10) == "Hello"
        assert api.wait_ended(1).outcome == "answered"


def test_a_client_that_hangs_up_is_seen_from_the_thread() -> None:
    with (
        ThreadedMessagesApi([Reply((Text(("Hel", Stall())),))]) as api,
        anthropic.Anthropic(base_url=api.url, api_key="test-key", max_retries=0) as client,
    ):
        with client.messages.stream(**HELLO) as events:
            assert next(events.text_stream) == "Hel"
        assert api.wait_disconnected(1).text == "Hel"


def test_no_thread_is_left_and_the_unforeseen_fails_the_test() -> None:
    with pytest.raises(UnexpectedRequestError), ThreadedMessagesApi([]) as api:
        with pytest.raises(anthropic.InternalServerError):
            ask(api.url)
        assert len(api.unexpected) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "messages-api"]


def test_a_server_that_cannot_listen_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), ThreadedMessagesApi(unix=tmp_path / "missing" / "api.sock"):
        pass


@contextmanager
def process(script: dict[str, Any], directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    file = directory / "script.json"
    file.write_text(json.dumps(script))
    command = [sys.executable, "-m", "tests.support.messages_api", "--script", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield server.stdout.readline().strip(), server
        finally:
            if not server.stdin.closed:
                server.stdin.close()
            server.wait(20)


def test_a_process_serves_its_script_until_its_input_ends(tmp_path: Path) -> None:
    script = {"replies": [{"parts": [{"text": ["Hel", {"wait": "middle"}, "lo"]}]}]}
    with process(script, tmp_path) as (url, server), ThreadPoolExecutor(1) as pool:
        assert server.stdin is not None
        reading = pool.submit(ask, url)
        server.stdin.write("middle\n")
        server.stdin.flush()
        assert reading.result(10) == "Hello"
    assert server.returncode == 0


def test_a_process_that_is_asked_too_often_exits_with_1(tmp_path: Path) -> None:
    with process({"replies": []}, tmp_path) as (url, server), pytest.raises(anthropic.InternalServerError):
        ask(url)
    assert server.returncode == 1


def test_a_process_obeys_the_rules_of_its_file(tmp_path: Path) -> None:
    rules = {"rules": {"models": ["other"]}}
    with process(rules, tmp_path) as (url, server), pytest.raises(anthropic.NotFoundError):
        ask(url)
    assert server.returncode == 0


def test_every_form_of_the_script_file_is_understood() -> None:
    items: list[dict[str, Any]] = [
        {"delay": 0.1},
        {"wait": "gate"},
        {"ping": True},
        {"raw": "event: \xff\n\n"},
        {"unknown_event": True},
        {"duplicate_start": True},
        {"eof": True},
        {"cut": True},
        {"reset": True},
        {"stall": None},
        {"stall": 0.5},
        {"error": "api_error", "message": "Oh"},
    ]
    parts: list[dict[str, Any]] = [
        {"text": "plain", "size": 2, "stamp": True},
        {"text": ["a", {"unknown_delta": True}, *items]},
        {"thinking": "Hm", "signed": False},
        {"redacted": "x"},
        {"tool": "read", "input": {"path": "a"}, "id": "toolu_1"},
        {"tool": "read", "input": ['{"pa', {"eof": True}]},
        {"unknown_block": True},
        *items,
    ]
    reply = {"parts": parts, "stop_reason": "end_turn", "usage": {"input_tokens": 1}, "delay": 0.1, "split": 5}
    script = read(
        {
            "replies": [reply, {"http": {"status": 429, "headers": {"retry-after": "1"}}}],
            "default": {"parts": [{"text": ["Hello"]}], "before": [{"wait": "gate"}], "after": [{"eof": True}]},
            "rules": {"models": ["m"], "window": 7},
        }
    )
    first = script.replies[0]
    assert isinstance(first, Reply) and len(first.parts) == len(parts) and first.usage.input_tokens == 1
    assert first.parts[0] == Text("plain", size=2, stamp=True)
    assert script.replies[1] == Http(429, headers=(("retry-after", "1"),))
    assert isinstance(script.default, Reply) and script.default.parts == say("Hello").parts
    assert script.default.before == (Wait(script.gates["gate"]),)
    assert script.rules == Rules(models=("m",), window=7)


@pytest.mark.parametrize("part", [{"txt": "x"}, {}, {"ping": True, "eof": True}])
def test_a_mistake_in_a_script_file_is_told(part: dict[str, Any]) -> None:
    with pytest.raises(ScriptFileError, match="not a part of a reply"):
        read({"replies": [{"parts": [part]}]})
