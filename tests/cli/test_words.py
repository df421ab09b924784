"""Telling a command from a prompt, and a typo from both."""

import pytest

from agentd.cli.app import GROUPS
from agentd.cli.failing import WrongUse
from agentd.cli.words import as_command

KNOWN = tuple(GROUPS)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["chat"]),
        (["fix the test"], ["chat", "fix the test"]),
        (["fix", "the", "test"], ["chat", "fix", "the", "test"]),
        (["session", "list"], ["session", "list"]),
        (["--session", "work"], ["chat", "--session", "work"]),
        (["--session", "work", "fix it"], ["chat", "--session", "work", "fix it"]),
        (["--working-dir", "/tmp", "start here"], ["chat", "--working-dir", "/tmp", "start here"]),
        (["-"], ["chat", "-"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        (["run", "--resume", "abc123", "go on"], ["run", "--resume", "abc123", "go on"]),
        (["show", "me", "the", "tests"], ["chat", "show", "me", "the", "tests"]),
        (["--", "--really?", "yes"], ["chat", "--", "--really?", "yes"]),
        ([""], ["chat", ""]),
        (["chta hello there"], ["chat", "chta hello there"]),
        (["what", "does", "this", "do"], ["chat", "what", "does", "this", "do"]),
        (["server", "logs", "are", "empty"], ["chat", "server", "logs", "are", "empty"]),
        (["runs", "fail"], ["chat", "runs", "fail"]),
        (["step", "through", "it"], ["chat", "step", "through", "it"]),
        (["modal", "dialogs", "stay", "open"], ["chat", "modal", "dialogs", "stay", "open"]),
    ],
)
def test_meaning(given: list[str], meant: list[str]) -> None:
    assert as_command(given, KNOWN) == meant


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (["sesion"], "'agentd session'"),
        (["chta"], "'agentd chat'"),
        (["stauts"], "'agentd status'"),
        (["xyzzy"], "agentd --help"),
        (["xyzzy"], 'agentd chat "xyzzy"'),
        (["sesion", "list"], "'agentd session list'"),
        (["modle", "install"], "'agentd model install'"),
        (["--session", "work", "stauts"], "'agentd status'"),
        (["chta", "hello"], "'agentd chat hello'"),
        (["chatt", "hello", "there"], 'agentd "chatt hello there"'),
        (["reusme", "abc123"], "'agentd resume abc123'"),
        (["contniue", "please"], "'agentd continue please'"),
        (["sesion", "shw", "x"], "'agentd session shw x'"),
    ],
)
def test_typos_cost_no_model_call(given: list[str], hint: str) -> None:
    with pytest.raises(WrongUse) as wrong:
        as_command(given, KNOWN)
    assert "No such command" in wrong.value.message
    assert hint in (wrong.value.hint or "")
