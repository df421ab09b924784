"""The interactive chat, typed by a person on a terminal."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.conftest import MakeMachine
from tests.cli.machine import Machine, Terminal
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Http, Reply, Text, Wait, say


@contextmanager
def chatting(machine: Machine, *arguments: str, prompt: str = "new") -> Iterator[Terminal]:
    """At the prompt of a chat; at the end it is left with Ctrl-D, if it was not before."""
    with machine.terminal(*arguments) as terminal:
        at_prompt(terminal, prompt)
        yield terminal


def at_prompt(terminal: Terminal, label: str) -> str:
    return terminal.sees(re.escape(f"[{label}] >"))


AT_ANY = r"\[[0-9a-f]{8}\] >"
"""The prompt of an unnamed session."""


def leave(terminal: Terminal, label: str | None = None) -> str:
    """Ctrl-D at the prompt."""
    if label is not None:
        at_prompt(terminal, label)
    terminal.presses("D")
    assert terminal.ends() == 0
    return terminal.seen


def test_a_session_is_made_at_the_first_prompt(make_machine: MakeMachine) -> None:
    machine = make_machine([say("Hello **you**.")])
    with chatting(machine) as terminal:
        assert machine.ok("session", "list", "--json").json["total"] == 0
        terminal.enters("Hi there")
        terminal.sees("Hello .*you")
        short = machine.first_session()["id"][:8]
        at_prompt(terminal, short)
        seen = leave(terminal)
    assert f"Session '{short}' is kept: agentd session resume {short}" in seen
    assert machine.first_session()["messageCount"] == 2


def test_the_reference_workflow(make_machine: MakeMachine) -> None:
    """Agentry's example: /new, a prompt, /status, /new, /resume."""
    machine = make_machine([say("def factorial(n): ...")])
    with chatting(machine) as terminal:
        terminal.enters("/new coding_task")
        terminal.sees("Created new session: 'coding_task'")
        at_prompt(terminal, "coding_task")
        terminal.enters("Create a factorial function")
        terminal.sees("factorial")
        at_prompt(terminal, "coding_task")
        terminal.enters("/status")
        shown = terminal.sees("Saved: Yes")
        for words in ("Current Session Status:", "Session ID: ", "Messages: 2", "Created: ", "Last Activity: "):
            assert words in shown
        at_prompt(terminal, "coding_task")
        terminal.enters("/new research")
        terminal.sees("Created new session: 'research'")
        at_prompt(terminal, "research")
        terminal.enters("/resume coding_task")
        terminal.sees(r"Resumed session: 'coding_task' \(2 messages\)")
        terminal.sees("Create a factorial function")
        at_prompt(terminal, "coding_task")
        leave(terminal)


def test_ctrl_c_stops_the_turn_and_the_chat_goes_on(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("All of it.")])
    with chatting(machine, "--session", "work", prompt="work") as terminal:
        terminal.enters("Tell me")
        terminal.sees("Half of")
        terminal.presses("C")
        terminal.sees("Interrupted. What was streamed is kept")
        at_prompt(terminal, "work")
        terminal.enters("/retry")
        terminal.sees("All of it")
        at_prompt(terminal, "work")
        leave(terminal)
        assert terminal.seen.count("elsewhere") == 0
        assert terminal.seen.count("All of it") == 1
    assert machine.api is not None
    machine.api.wait_disconnected()


def test_ctrl_c_at_the_prompt_clears_and_twice_leaves(bare: Machine) -> None:
    with chatting(bare) as terminal:
        terminal.types("half a prompt")
        terminal.sees("half a prompt")
        terminal.presses("C")
        terminal.presses("C")
        terminal.sees("Ctrl-C again")
        terminal.presses("C")
        assert terminal.ends() == 0
    assert bare.ok("session", "list", "--json").json["total"] == 0


def test_an_unknown_command_sends_nothing(make_machine: MakeMachine) -> None:
    machine = make_machine([])
    with chatting(machine) as terminal:
        terminal.enters("/stauts")
        terminal.sees(r"No such command: /stauts.*Did you mean /status\? Nothing was sent")
        at_prompt(terminal, "new")
        leave(terminal)
    assert machine.api is not None
    assert not machine.api.requests


def test_a_path_is_a_prompt(make_machine: MakeMachine) -> None:
    with chatting(make_machine([say("Then make room.")])) as terminal:
        terminal.enters("/usr/bin is full")
        terminal.sees("Then make room")
        terminal.sees(AT_ANY)
        leave(terminal)


def test_help_lists_every_command(bare: Machine) -> None:
    from agentd.cli.interactive.commands import COMMANDS

    with chatting(bare) as terminal:
        terminal.enters("/help")
        shown = terminal.sees("Ctrl-D: leave")
        assert [command.name for command in COMMANDS if command.name not in shown] == []
        leave(terminal, "new")


def test_lists_names_and_archive_as_in_amazon_q(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two")])
    machine.ok("chat", "Implement user authentication")
    short = machine.first_session()["id"][:8]
    with chatting(machine) as terminal:
        terminal.enters(f'/sessions name {short} "Auth Feature Work"')
        terminal.sees(f"Session {short} is now named 'Auth Feature Work'")
        terminal.enters("/sessions list")
        terminal.sees(f'{short} .*Auth Feature Work.*"Implement user')
        terminal.enters(f"/sessions archive {short}")
        terminal.sees("Archived session 'Auth Feature Work'")
        terminal.enters("/sessions")
        terminal.sees("No active sessions")
        terminal.enters("/sessions history --limit 20 --search auth")
        terminal.sees(f"{short} ")
        terminal.enters("/sessions background --limit 5 --search deployment")
        terminal.sees("No session matches 'deployment'")
        terminal.enters("/sessions nonsense")
        terminal.sees("list, history, background, all, name, archive, delete")
        terminal.enters(f"/restore {short}")
        terminal.sees("Restored session")
        terminal.enters("/resume abc123")
        terminal.sees("Session 'abc123' not found")
        terminal.sees("Use /sessions list")
        leave(terminal, "new")


def test_fork_rename_clear_model_and_mode(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two"), say("three")])
    with chatting(machine) as terminal:
        terminal.enters("/fork")
        terminal.sees("There is no session yet")
        terminal.enters("First prompt")
        terminal.sees("one")
        terminal.enters("/rename Main line")
        at_prompt(terminal, "Main line")
        terminal.enters("/fork 1 my-experiment")
        terminal.sees("Forked from 'Main line' at turn 1: now in 'my-experiment'")
        at_prompt(terminal, "my-experiment")
        terminal.enters("/model claude-opus-5")
        terminal.sees("Model: claude-opus-5")
        terminal.enters("/mode plan")
        terminal.sees("Mode: plan")
        terminal.enters("/clear")
        terminal.sees("no longer sent to the model")
        terminal.enters("Second prompt")
        terminal.sees("two")
        leave(terminal, "my-experiment")
    assert machine.api is not None
    body = machine.api.requests[-1].body
    assert (body["model"], len(body["messages"])) == ("claude-opus-5", 1)
    assert machine.ok("session", "show", "Main line", "--json").json["session"]["model"] != "claude-opus-5"


def test_choosing_a_turn_and_a_session(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two"), say("three")])
    machine.ok("chat", "--session", "auth", "Add a login")
    machine.ok("chat", "--session", "auth", "Add a logout")
    machine.ok("chat", "Debug the parser")
    with machine.terminal("session", "fork", "auth") as terminal:
        terminal.sees("Add a logout")
        terminal.sees("before the first turn")
        terminal.types("login")
        terminal.sees("login")
        terminal.types("\r")
        terminal.sees("Forked from [0-9a-f]{8} at turn 1")
        assert terminal.ends() == 0
    with machine.terminal("resume") as terminal:
        terminal.sees("Debug the parser")
        terminal.types("auth\r")
        terminal.sees(r"Resumed session: 'auth' \(4 messages\)")
        leave(terminal, "auth")
    with machine.terminal("resume") as terminal:
        terminal.sees("Debug the parser")
        terminal.types("\x1b")
        assert terminal.ends() == 0


def test_two_terminals_on_one_session_are_live(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([say("First."), Reply((Text(("Second paragraph.\n\nThird ", Wait(gate), "one.")),))])
    with chatting(machine, "--session", "pair", prompt="pair") as one:
        one.enters("Begin")
        one.sees("First")
        at_prompt(one, "pair")
        with chatting(machine, "--session", "pair", prompt="pair") as other:
            one.types("being typed")
            other.enters("Go on")
            one.sees("elsewhere .*> Go on")
            one.sees("Second paragraph")
            gate.open()
            one.sees("Third one")
            one.sees("being typed")
            at_prompt(other, "pair")
            leave(other)
        one.presses("C")
        leave(one)


def test_a_running_turn_is_picked_up_in_mid_sentence(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("It begins ", Wait(gate), "and it ends.")),))])
    machine.ok("chat", "--background", "--session", "long", "Take your time")
    gate.reached.wait_in_thread(30)
    with machine.terminal("session", "resume", "long") as terminal:
        terminal.sees("This turn is running")
        terminal.sees("It begins")
        gate.open()
        terminal.sees("and it ends")
        at_prompt(terminal, "long")
        leave(terminal)


def test_a_daemon_that_ended_is_started_again(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two")])
    with chatting(machine, "--session", "work", prompt="work") as terminal:
        terminal.enters("First prompt")
        terminal.sees("one")
        at_prompt(terminal, "work")
        machine.stop()
        terminal.sees("The daemon was stopped. It is started again at your next prompt")
        terminal.enters("Second prompt")
        terminal.sees("Connected to the daemon again")
        terminal.sees("two")
        at_prompt(terminal, "work")
        leave(terminal)
    assert machine.first_session()["turnCount"] == 2


def test_a_failed_turn_says_how_to_retry(make_machine: MakeMachine) -> None:
    with chatting(make_machine([Http(401), say("Here.")])) as terminal:
        terminal.enters("Are you there?")
        terminal.sees("Your prompt is kept: try it again with /retry")
        terminal.sees(AT_ANY)
        terminal.enters("/retry")
        terminal.sees("Here")
        terminal.sees(AT_ANY)
        leave(terminal)


def test_several_lines_and_history(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two")])
    with chatting(machine) as terminal:
        terminal.types("first line\x1b\rsecond line\r")
        terminal.sees("one")
        terminal.sees(AT_ANY)
        leave(terminal)
    assert machine.api is not None
    assert "first line\nsecond line" in str(machine.api.requests[0].body["messages"][0]["content"][-1]["text"])
    history = machine.home.data / "chat-history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with chatting(machine) as terminal:
        terminal.types("\x1b[A")
        terminal.sees("second line")
        terminal.types("\r")
        terminal.sees("two")
        terminal.sees(AT_ANY)
        leave(terminal)


def test_completion(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one")])
    machine.ok("chat", "--session", "research", "a prompt")
    with chatting(machine) as terminal:
        terminal.types("/res")
        terminal.sees("/resume")
        terminal.types("ume r")
        terminal.sees("research")
        terminal.types("\t\r")
        terminal.types("\r")
        terminal.sees("Resumed session: 'research'")
        leave(terminal, "research")


MARKDOWN = "# Title\n\nSome **bold** words.\n\n- one\n- two\n"


def test_a_terminal_gets_markdown(make_machine: MakeMachine) -> None:
    with make_machine([say(*MARKDOWN)]).terminal("chat", "Say it") as terminal:
        shown = terminal.left()
    assert "•" in shown
    assert "**" not in shown


def test_a_dumb_terminal_gets_plain_text(make_machine: MakeMachine) -> None:
    with make_machine([say(*MARKDOWN)]).terminal("chat", "Say it", term="dumb") as terminal:
        assert terminal.left() == MARKDOWN


def test_no_color(make_machine: MakeMachine) -> None:
    machine = make_machine([say("`code` and\n\n```python\nx = 1\n```\n")])
    machine.variables = {"NO_COLOR": "1"}
    with machine.terminal("chat", "Say it") as terminal:
        terminal.sees("x = 1")
        raw = str(terminal.raw)
        terminal.ends()
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", raw)


def test_a_reply_does_not_drive_the_terminal(make_machine: MakeMachine) -> None:
    with make_machine([say("safe \x1b]0;owned\x07 and \x1b[2J sound")]).terminal("chat", "Say it") as terminal:
        terminal.sees("safe .*owned.* and .*sound")
        assert "\x1b]0;" not in terminal.raw
        assert "\x1b[2J" not in terminal.raw


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
def test_a_reply_that_is_longer_than_the_screen(make_machine: MakeMachine, size: tuple[int, int]) -> None:
    """Each line is on the screen, or was scrolled off it, exactly once."""
    code = "```\n" + "".join(f"line {number} of the code\n" for number in range(60)) + "```\n\nThe end.\n"
    machine = make_machine([say(*(code[at : at + 40] for at in range(0, len(code), 40)))])
    with machine.terminal("chat", "Long code", size=size) as terminal:
        terminal.sees("The end")
        terminal.ends()
        shown = terminal.replayed(size)
    assert [line for line in shown if "of the code" in line] == [f"  line {number} of the code" for number in range(60)]
