"""Terminals that watch: found again after the daemon died, and able to stop what they see."""

import re

from tests.cli.conftest import MakeMachine
from tests.cli.test_interactive import AT_ANY, at_prompt, chatting, leave
from tests.support.messages_api.gate import Gate
from tests.support.messages_api.script import Reply, Text, Wait, say


def test_who_only_watches_is_connected_again(make_machine: MakeMachine) -> None:
    """The daemon is killed in a turn: both terminals find the next one by themselves, and say so once."""
    gate = Gate()
    machine = make_machine([say("one"), Reply((Text(("Half of ", Wait(gate), "it.")),)), say("All of it.")])
    machine.ok("chat", "--session", "pair", "Begin")
    with chatting(machine, "--session", "pair", prompt="pair") as one:
        with chatting(machine, "--session", "pair", prompt="pair") as other:
            one.enters("Go on")
            other.sees("elsewhere .*> Go on")
            gate.reached.wait_in_thread(30)
            machine.kill()
            for terminal in (one, other):
                terminal.sees("Turn 2 was interrupted. What was streamed is kept")
                at_prompt(terminal, "pair")
            one.enters("/retry")
            other.sees("elsewhere .*> Go on")
            other.sees("All of it")
            at_prompt(other, "pair")
            leave(other)
            assert len(re.findall("connected to it|Connected to the daemon again", other.seen)) == 1
        leave(one)


def test_who_waits_is_there_when_another_starts_the_daemon(make_machine: MakeMachine) -> None:
    """Stopped on purpose, it stays so until somebody prompts; then the others see that turn, all of it."""
    gate = Gate()
    machine = make_machine([say("one"), Reply((Text(("Half of ", Wait(gate), "it.")),)), say("A name")])
    machine.ok("chat", "--session", "pair", "Begin")
    with chatting(machine, "--session", "pair", prompt="pair") as waiting:
        machine.ok("stop")
        waiting.sees("The daemon was stopped. It is started again at your next prompt")
        with machine.started("chat", "--session", "pair", "Go on") as other:
            gate.reached.wait_in_thread(30)
            waiting.sees("Connected to the daemon again")
            waiting.sees("elsewhere .*> Go on")
            gate.open()
            waiting.sees("Half of it")
            assert other.wait(30) == 0
        leave(waiting, "pair")


def test_a_session_that_is_made_elsewhere_is_joined(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),))])
    with chatting(machine, "--session", "pair", prompt="pair") as waiting:
        machine.ok("chat", "--background", "--session", "pair", "Begin")
        waiting.sees("elsewhere .*> Begin")
        gate.open()
        waiting.sees("Half of it")
        leave(waiting, "pair")


def test_a_terminal_that_watches_stops_the_turn(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([say("one"), Reply((Text(("Half of ", Wait(gate), "it.")),))])
    machine.ok("chat", "--session", "pair", "Begin")
    with chatting(machine, "--session", "pair", prompt="pair") as one:
        with chatting(machine, "--session", "pair", prompt="pair") as other:
            one.enters("Go on")
            other.sees("elsewhere .*> Go on")
            other.presses("C")
            other.sees("Stopping the turn")
            one.sees("Interrupted. What was streamed is kept")
            at_prompt(one, "pair")
            leave(other)
        leave(one)


def test_a_turn_is_left_to_the_background(make_machine: MakeMachine) -> None:
    gate = Gate()
    machine = make_machine([Reply((Text(("Half of ", Wait(gate), "it.")),)), say("two")])
    with chatting(machine, "--session", "long", prompt="long") as terminal:
        terminal.enters("Take your time")
        gate.reached.wait_in_thread(30)
        terminal.sees("Created new session")
        terminal.types("\x1c")
        terminal.sees("The turn runs on in the background")
        at_prompt(terminal, "long")
        gate.open()
        terminal.sees("Turn 1 in the background has ended")
        leave(terminal, "long")


def test_what_a_prompt_points_at_in_vain_is_said(make_machine: MakeMachine) -> None:
    machine = make_machine([say("one"), say("two")])
    assert "Not sent: nofile.txt: there is no such file" in machine.ok("chat", "See @nofile.txt").err
    with chatting(machine) as terminal:
        terminal.enters("And @other.txt")
        terminal.sees("Not sent: other.txt: there is no such file")
        terminal.sees(AT_ANY)
        leave(terminal)
