"""What a one-shot prompt does where it cannot go on: too much is piped, nobody reads, the queue is paused."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.home import agentd
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Http, Reply, Text, Wait, say

FULL = Path("/dev/full")


def test_piped_text_that_is_too_large_sends_nothing(bare: Machine) -> None:
    done = bare.run("chat", "review this", stdin="x" * (256 * 1024 + 1))
    assert (done.code, done.out) == (2, "")
    assert "262,145 characters; the limit is 262,144. Nothing was sent" in done.err
    done = bare.run("chat", stdin="x" * 1_000_001)
    assert (done.code, done.out) == (2, "")
    assert "1,000,001 characters; the limit is 1,000,000. Nothing was sent" in done.err
    assert not (bare.home.data / "projects").exists()


def test_the_largest_piped_text_is_sent(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok")])
    machine.ok("chat", "review this", stdin="y" * (256 * 1024))
    assert machine.api is not None
    assert "y" * (256 * 1024) in str(machine.api.requests[0].body["messages"])


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["session", "list", "--json"], ["--help"]])
def test_a_full_disk_behind_stdout_is_told_plainly(bare: Machine, arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            agentd(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=bare.environment(),
            cwd=bare.home.root,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: Cannot write to standard output: No space left on device\n"


def test_a_new_session_is_told_once_it_is_there(make_machine: MakeMachine) -> None:
    machine = make_machine([Http(401)])
    for name in ("x" * 300, "two\nlines"):
        done = machine.run("chat", "--session", name, "hello there")
        assert done.code == 2
        assert "Created" not in done.err
    assert machine.ok("session", "list", "--json").json["total"] == 0
    assert "Created new session: 'work'" in machine.run("chat", "--session", "work", "hello there").err


def test_a_prompt_in_a_queue_that_is_paused_ends(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("again"), say("Two it is.")])
    machine.ok("chat", "--background", "--session", "busy", "One")
    gate.reached.wait_in_thread(30)
    with machine.started("chat", "--session", "busy", "Two") as queued:
        assert queued.stderr is not None
        while "Waiting for the running turn" not in queued.stderr.readline():
            pass
        machine.ok("session", "interrupt", "busy")
        out, err = queued.communicate(timeout=30)
    short = machine.first_session()["id"][:8]
    assert (queued.returncode, out) == (1, "")
    assert "The queue is paused: 1 prompt waits" in err
    assert f"Your prompt is kept and waits: 'agentd session retry {short}' goes on" in err


def test_ctrl_c_before_anything_was_streamed_does_not_say_that_it_is_kept(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("again")])
    machine.ok("chat", "--background", "--session", "busy", "One")
    gate.reached.wait_in_thread(30)
    with machine.started("chat", "--session", "busy", "Two") as queued:
        assert queued.stderr is not None
        while "Waiting for the running turn" not in queued.stderr.readline():
            pass
        queued.send_signal(signal.SIGINT)
        out, err = queued.communicate(timeout=30)
    assert (queued.returncode, out) == (130, "")
    assert "streamed is kept" not in err
    assert "The waiting prompt was dropped" in err
    gate.open()


@pytest.mark.parametrize("kind", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_leaves_its_turn_to_the_background(make_machine: MakeMachine, kind: signal.Signals) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),))])
    with machine.started("chat", "--session", "left", "Tell me") as process:
        assert process.stdout is not None
        assert process.stdout.read(8) == "Half of "
        process.send_signal(kind)
        assert process.wait(30) == -kind
    assert machine.ok("session", "background", "--json").json["sessions"][0]["name"] == "left"
    gate.open()


def test_a_reader_that_leaves_leaves_the_turn_to_the_background(make_machine: MakeMachine) -> None:
    first, second = Gate(), Gate()
    machine = make_machine([Reply((Text(("one\n", Wait(first), "two\n", Wait(second), "three\n")),))])
    with machine.started("chat", "--session", "left", "Tell me") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        process.stdout.close()
        first.open()
        assert process.wait(30) == 1
    assert machine.ok("session", "background", "--json").json["sessions"][0]["name"] == "left"
    second.open()


def test_a_retry_that_was_watched_is_seen(make_machine: MakeMachine) -> None:
    machine = make_machine([Http(401), say("Here.")])
    machine.ok("chat", "--background", "--session", "work", "Tell me")
    with machine.terminal("--session", "work") as terminal:
        terminal.sees("failed")
    machine.run("session", "retry", "work")
    session = machine.first_session()
    assert not session.get("unseen")


def test_a_lost_daemon_is_told_with_what_goes_on(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),))])
    with machine.started("chat", "--session", "left", "Tell me") as process:
        assert process.stdout is not None
        assert process.stdout.read(8) == "Half of "
        machine.kill()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "'agentd session retry' sends the prompt again" in err
