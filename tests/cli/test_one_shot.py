"""One prompt on the command line: where it comes from, where the reply goes, and how it ends."""

import signal
import subprocess

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine
from tests.support.home import agentd
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import OVERLOADED, Http, Reply, Text, Thinking, Wait, say

MARKDOWN = "# Title\n\nSome **bold** words.\n\n- one\n- two\n"


def prompts(machine: Machine) -> list[str]:
    """What the model was asked last, as one text each."""
    assert machine.api is not None
    return [exchange.body["messages"][-1]["content"][-1]["text"] for exchange in machine.api.requests]


def test_a_pipe_gets_the_reply_as_it_is_and_nothing_else(make_machine: MakeMachine) -> None:
    machine = make_machine([say(MARKDOWN)])
    done = machine.run("chat", "Say it")
    assert (done.code, done.out, done.err) == (0, MARKDOWN, "")


def test_a_reply_without_a_line_end_gets_one(make_machine: MakeMachine) -> None:
    assert make_machine([say("Hello", " there")]).ok("hello there").out == "Hello there\n"


def test_words_need_no_quotes(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok"), say("ok")])
    machine.ok("fix the test")
    machine.ok("fix", "the", "test")
    assert prompts(machine) == ["fix the test", "fix the test"]


def test_thinking_is_no_part_of_the_reply(make_machine: MakeMachine) -> None:
    machine = make_machine([Reply((Thinking("Hmm."), Text("Four.")))])
    assert machine.ok("chat", "2+2?").out == "Four.\n"


def test_prompt_from_standard_input(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok")] * 3)
    machine.ok(stdin="from a pipe\n")
    machine.ok("chat", stdin="from a pipe\n")
    machine.ok("chat", "-", stdin="from a pipe\n")
    assert [prompt.strip() for prompt in prompts(machine)] == ["from a pipe"] * 3


def test_piped_text_beside_a_prompt_is_context(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok"), say("ok")])
    machine.ok("chat", "Explain this", stdin="E   assert 1 == 2\n")
    assert machine.api is not None
    asked = str(machine.api.requests[0].body["messages"])
    assert "Explain this" in asked
    assert "assert 1 == 2" in asked
    machine.ok("continue", "And now?")
    assert machine.first_session()["lastPrompt"] == "And now?"


def test_sessions_by_name_are_made_at_first_use(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two"), say("three")])
    assert "Created new session: 'research'" in machine.ok("chat", "--session", "research", "a").err
    assert "Resumed session: 'research' (2 messages)" in machine.ok("chat", "--session", "research", "b").err
    short = machine.first_session()["id"][:8]
    assert "Resumed session: 'research' (4 messages)" in machine.ok("run", "--resume", short, "c").err
    assert machine.first_session()["messageCount"] == 6


def test_continue_goes_on_with_the_latest(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two")])
    first = machine.ok("continue", "Begin")
    assert "No session to continue yet" in first.err
    assert machine.ok("continue", "Go on").out == "two\n"
    assert machine.first_session()["turnCount"] == 2


def test_options_reach_the_session(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    machine.ok("chat", "--model", "claude-opus-5", "--mode", "plan", "a prompt")
    session = machine.first_session()
    assert (session["model"], session["mode"]) == ("claude-opus-5", "plan")


def test_working_dir_is_the_sessions_and_names_the_project(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    (machine.home.root / ".git").mkdir()
    deep = machine.home.root / "src" / "deep"
    deep.mkdir(parents=True)
    done = machine.run("chat", "--working-dir", str(deep), "a prompt", cwd=str(machine.home.base))
    assert done.code == 0
    session = machine.first_session()
    assert session["workingDir"] == str(deep)


def test_json_lines(make_machine: MakeMachine) -> None:
    events = make_machine([say("Hel", "lo")]).ok("chat", "--json", "hi there").lines
    kinds = [line["event"]["type"] for line in events]
    assert kinds[0] == "turn/started"
    assert kinds[-1] == "turn/ended"
    assert "".join(line["event"].get("text", "") for line in events if line["event"]["type"] == "item/delta") == "Hello"
    assert len({line["sessionId"] for line in events}) == 1


def test_background_returns_at_once(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Well ", Wait(gate), "done.")),))])
    done = machine.ok("chat", "--background", "Take your time")
    assert "Running in the background" in done.out
    gate.reached.wait_in_thread(30)
    assert machine.first_session()["state"] == "running"
    gate.open()


def test_a_busy_session_queues_steers_or_refuses(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("first ", Wait(gate), "reply")),)), say("second"), say("third")])
    machine.ok("chat", "--background", "--session", "busy", "One")
    gate.reached.wait_in_thread(30)
    refused = machine.run("chat", "--session", "busy", "--when-busy", "reject", "Two")
    assert refused.code == 1
    assert "--when-busy queue" in refused.err
    with machine.started("chat", "--session", "busy", "Three") as queued:
        assert queued.stderr is not None
        while "Waiting for the running turn" not in queued.stderr.readline():
            pass
        with machine.started("chat", "--session", "busy", "--when-busy", "steer", "Four") as steering:
            assert steering.stderr is not None
            assert "Resumed session: 'busy'" in steering.stderr.readline()
            gate.open()
            out, _ = steering.communicate(timeout=60)
        assert steering.returncode == 0
        assert out
        out, _ = queued.communicate(timeout=60)
    assert (queued.returncode, out[-1]) == (0, "\n")


def test_an_interrupt_keeps_what_was_streamed(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),))])
    with machine.started("chat", "--session", "cut", "Tell me") as process:
        gate.reached.wait_in_thread(30)
        assert process.stdout is not None
        assert process.stdout.read(8) == "Half of "
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == "\n"
    assert "Interrupted. What was streamed is kept" in err
    assert machine.api is not None
    machine.api.wait_disconnected()
    shown = machine.ok("session", "show", "cut").out
    assert "2 messages, 1 turn" in shown


def test_a_failed_turn_says_what_was_kept_and_can_be_retried(make_machine: MakeMachine) -> None:
    machine = make_machine([Http(401), say("Here I am.")])
    done = machine.run("chat", "Are you there?")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert "Your prompt is kept" in done.err
    assert "agentd session retry" in done.err
    again = machine.ok("session", "retry")
    assert again.out == "Here I am.\n"
    assert prompts(machine)[1] == "Are you there?"


def test_retries_are_told_on_stderr(make_machine: MakeMachine) -> None:
    done = make_machine([OVERLOADED, say("Here.")]).ok("chat", "Are you there?")
    assert done.out == "Here.\n"
    assert done.err


def test_a_reply_that_was_cut_says_so(make_machine: MakeMachine) -> None:
    done = make_machine([Reply((Text("Once upon"),), stop_reason="max_tokens")]).run("chat", "A story")
    assert done.out == "Once upon\n"
    assert "cut" in done.err


def test_a_reader_that_leaves_is_no_error_worth_a_page(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("first\n", Wait(gate), "more\n" * 1000)),))])
    with machine.started("chat", "Go on") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        process.stdout.close()
        gate.open()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


def test_without_standard_input_at_all(make_machine: MakeMachine) -> None:
    machine = make_machine([say("ok")])
    command = f"exec {' '.join(agentd('chat', 'hello'))} <&- "
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=machine.environment(),
                          cwd=machine.home.root, check=False, timeout=60)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


WRONG = [
    (["xyzzy"], "No such command: 'xyzzy'"),
    (["sesion", "list"], "Did you mean 'agentd session list'?"),
    (["chat", ""], "The prompt is empty"),
    (["chat", "   "], "The prompt is empty"),
    (["chat"], "needs a terminal"),
    ([], "needs a terminal"),
    (["chat", "--session", "a", "--resume", "b", "hi"], "Only one of"),
    (["chat", "--session", "", "hi"], "the name is empty"),
    (["chat", "--mode", "yolo", "hi"], "No such mode: 'yolo'"),
    (["chat", "--when-busy", "now", "hi"], "queue, steer, reject"),
    (["chat", "--root", "/nowhere/at/all", "hi"], "is not a directory"),
    (["chat", "--working-dir", "/nowhere/at/all", "hi"], "is not a directory"),
    (["chat", "--nonsense", "hi"], "No such option: --nonsense"),
    (["resume"], "needs a terminal"),
    (["stop", "using", "tabs"], 'agentd chat "stop using tabs"'),
    (["session", "rename", "abc"], "Missing argument"),
    (["session", "fork", "abc", "five"], "TURN must be a number"),
    (["session", "lst"], "Did you mean 'list'"),
    (["session", "list", "--limit", "none"], "--limit"),
    (["session", "list", "--limit", "0"], "--limit"),
    (["session", "list", "--status", "gone"], "active, background, archived, all"),
    (["session", "update", "abc"], "Nothing to change"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_use(bare: Machine, arguments: list[str], words: str) -> None:
    done = bare.run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert done.err.startswith("Error: ")
    assert len(done.err.splitlines()) <= 2
    assert not (bare.home.data / "projects").exists(), "a wrong use starts no daemon"


def test_an_empty_pipe_is_no_prompt(bare: Machine) -> None:
    done = bare.run("chat", stdin="")
    assert done.code == 2
    assert "The prompt is empty" in done.err
