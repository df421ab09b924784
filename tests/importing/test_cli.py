"""``agentd session import`` as a person types it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.machine import Machine, machine_of
from tests.importing.golden import CASES, IDS, input_of

INPUTS = {name: str(input_of(case)) for name, case in zip(IDS, CASES, strict=True)}
PLAIN, DAMAGED = INPUTS["claude-code/plain"], INPUTS["claude-code/damaged"]
ENTER, TAB, ESCAPE, CTRL_A = "\r", "\t", "\x1b", "\x01"


@pytest.fixture
def bare() -> Iterator[Machine]:
    with ExitStack() as stack:
        yield stack.enter_context(machine_of(None))


def put(machine: Machine, case: str, name: str, age: int) -> None:
    """A transcript of Claude Code in the machine's home, of its project."""
    path = machine.home.base / "home" / ".claude" / "projects" / "-p" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = Path(INPUTS[case]).read_text().replace("/home/ann/shop", str(machine.home.root))
    path.write_text(text.replace("5f0c6a52", name.ljust(8, "0")[:8]))
    os.utime(path, (1_790_000_000 - age, 1_790_000_000 - age))


def test_a_file(bare: Machine) -> None:
    done = bare.ok("session", "import", PLAIN)
    assert done.out.startswith("Imported 'Login with tests' from Claude Code: session ")
    assert "(2 turns, 4 messages)" in done.out
    assert "Go on with it: agentd session resume" in done.err
    assert bare.first_session()["lastPrompt"] == "And a logout"
    assert "imported before, as" in bare.ok("session", "import", PLAIN, "--name", "Twice").err
    assert bare.ok("session", "show", "Twice", "--json").json["session"]["nameSource"] == "user"


def test_warnings_are_notes_and_json_is_alone(bare: Machine) -> None:
    done = bare.ok("session", "import", DAMAGED)
    assert "Line 2 is no JSON: left out." in done.err
    told = bare.ok("session", "import", DAMAGED, "--json")
    assert (told.json["format"], told.err) == ("claude-code", "")
    assert len(told.json["warnings"]) == 10


def test_standard_input(bare: Machine) -> None:
    assert "from Agenix" in bare.ok("session", "import", "-", stdin=Path(INPUTS["agenix/lines"]).read_text()).out
    assert "nothing on the standard input" in bare.run("session", "import", "-", stdin="").err
    large = Path(PLAIN).read_text() + '{"type":"progress","x":"' + "x" * (9 << 20) + '"}\n'
    assert "from Claude Code" in bare.ok("session", "import", "-", stdin=large).out


def test_several_files(bare: Machine) -> None:
    done = bare.run("session", "import", PLAIN, INPUTS["none/other-json"], INPUTS["amazonq/documents"])
    assert done.code == 1
    assert [line.split("'")[1] for line in done.out.splitlines()] == ["Login with tests", "Auth Feature Work"]
    assert "Error: input.json: No session is recognised" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Nothing to import"),
        (["--all"], "--all goes with --scan"),
        (["--scan", "x.jsonl"], "--scan looks for files itself"),
        (["a", "b", "--name", "n"], "--name names one session"),
        (["x", "--format", "word"], "word"),
    ],
)
def test_wrong_use(bare: Machine, arguments: list[str], told: str) -> None:
    done = bare.run("session", "import", *arguments)
    assert done.code == 2
    assert told in done.err


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (INPUTS["agentry/toon-text"], "TOON text, which is not read"),
        (INPUTS["none/page"], "exported for people"),
        ("/dev/null", "no regular file"),
    ],
)
def test_what_cannot_be_imported(bare: Machine, source: str, told: str) -> None:
    done = bare.run("session", "import", source)
    assert done.code == 1
    assert told in done.err.replace("\n", " ")


def test_a_file_that_is_not_there_is_wrong_use(bare: Machine) -> None:
    done = bare.run("session", "import", "missing.jsonl")
    assert done.code == 2
    assert "There is no file 'missing.jsonl'" in done.err


def test_scan_lists_elsewhere_than_in_a_terminal(bare: Machine) -> None:
    assert "No sessions of other programs" in bare.ok("session", "import", "--scan").err
    put(bare, "claude-code/plain", "aaaa", 0)
    put(bare, "claude-code/commands", "bbbb", 60)
    done = bare.ok("session", "import", "--scan")
    first, place, second, _ = done.out.splitlines()
    assert first.startswith("Claude Code")
    assert first.endswith("  Add a login")
    assert place.strip().endswith("/.claude/projects/-p/aaaa.jsonl")
    assert second.endswith("  What is <b>this</b> file?")
    assert "--scan --all" in done.err
    assert len(bare.ok("session", "import", "--scan", "--json").json["found"]) == 2


def test_scan_all_imports_what_is_new(bare: Machine) -> None:
    put(bare, "claude-code/plain", "aaaa", 0)
    bare.ok("session", "import", "--scan", "--all")
    put(bare, "claude-code/commands", "bbbb", 60)
    told = bare.ok("session", "import", "--scan", "--all", "--json").json
    assert [one["session"]["name"] for one in told["imported"]] == ["Review of the app"]
    assert "All 2 were imported before." in bare.ok("session", "import", "--scan", "--all").err
    assert "(imported: " in bare.ok("session", "import", "--scan").out


def test_scan_in_a_terminal_offers_them(bare: Machine) -> None:
    for number, case in enumerate(("claude-code/plain", "claude-code/commands", "claude-code/interrupted")):
        put(bare, case, f"{number}aaa", number * 60)
    with bare.terminal("session", "import", "--scan") as terminal:
        terminal.sees(r"\[ \] Claude Code")
        terminal.types(TAB)
        terminal.sees("1 marked")
        terminal.types("delete")
        terminal.types(TAB)
        terminal.sees("2 marked")
        terminal.types(ENTER)
        left = terminal.left()
    assert "Imported 'Login with tests'" in left
    assert "Imported 'Delete it all'" in left
    assert bare.ok("session", "list", "--json").json["total"] == 2
    with bare.terminal("session", "import", "--scan") as terminal:
        terminal.sees(r"\[ \] Claude Code")
        terminal.types(CTRL_A)
        terminal.sees("3 marked")
        terminal.types(ESCAPE)
        terminal.left()
    assert bare.ok("session", "list", "--json").json["total"] == 2
