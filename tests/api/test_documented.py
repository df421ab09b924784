"""The examples of ``agentd/PYTHON.md`` run as they stand, print what the page says, and satisfy a strict checker."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.api.support import machine
from tests.support.home import REPOSITORY
from tests.support.messages_api.script import Answer, say

pytestmark = pytest.mark.anyio

PAGE = REPOSITORY / "agentd" / "PYTHON.md"
ANSWERS = {
    "What is 2 + 2?": "4",
    "Tell me a word.": "serendipity\n",
    "Status update?": "Fine.",
    "Look into it.": "Done.",
}


@dataclass(frozen=True)
class Example:
    title: str
    code: str
    output: str


def examples() -> list[Example]:
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(r"^#+ (?P<title>.+?)$|```python\n(?P<code>.*?)```\n\n```text\n(?P<output>.*?)```", re.M | re.S)
    title, found = "", []
    for match in pattern.finditer(text):
        if match["title"]:
            title = match["title"]
        else:
            found.append(Example(title, match["code"], match["output"]))
    return found


def answer(body: dict[str, Any]) -> Answer:
    content = body["messages"][-1]["content"]
    prompt = content if isinstance(content, str) else content[-1]["text"]
    return say(ANSWERS[prompt])


def test_every_example_says_what_it_prints() -> None:
    assert len(examples()) == PAGE.read_text(encoding="utf-8").count("```python\n") == 6


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
async def test_an_example_prints_what_the_page_says(example: Example) -> None:
    async with machine(answer) as (home, _):
        script = home.base / "script.py"
        script.write_text(example.code)
        done = await anyio.run_process([sys.executable, "-P", "-W", "error", str(script)], cwd=home.root, check=False)
        assert (done.stderr.decode(), done.returncode) == ("", 0)
        assert done.stdout.decode().splitlines()[: example.output.count("\n")] == example.output.splitlines()


WRONG = """
import agentd

async def main() -> None:
    async with agentd.AgentSession(sesion_id="x") as session:
        answer: int = await session.execute("Hi")
    agentd.SessionManager().save_session("a")
    agentd.Agent(llm=5)
"""


def test_a_strict_checker_accepts_the_examples_and_finds_mistakes(tmp_path: Path) -> None:
    for number, example in enumerate(examples()):
        (tmp_path / f"example{number}.py").write_text(example.code)
    (tmp_path / "wrong.py").write_text(WRONG)
    cache = REPOSITORY / ".mypy_cache"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(cache),
        "--python-executable",
        sys.executable,
    ]
    done = subprocess.run([*command, "."], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line for line in lines if not line.startswith("wrong.py:")] == [], done.stdout + done.stderr
    assert {int(line.split(":")[1]) for line in lines} == {5, 6, 7, 8}, done.stdout
