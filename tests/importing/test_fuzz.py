"""Golden files with bytes flipped and lines dropped, doubled and shuffled: never anything but a session that a model
can be asked with, or ImportFailed."""

import json
import random
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentd.core.exchange import ModelTraits, ToolSpec
from agentd.core.history import build_request
from agentd.errors import ImportFailed
from agentd.importing.recognise import read_file
from agentd.importing.source import Content
from agentd.models.messages import encode
from agentd.protocol import Item, Turn
from tests.importing.golden import CASES, IDS, input_of
from tests.importing.reads import Result, drawn
from tests.support.messages_api.schema import CreateMessage
from tests.support.messages_api.validate import Rules, admit

FILES = [(name, input_of(case)) for name, case in zip(IDS, CASES, strict=True)]
TRAITS = ModelTraits("claude-sonnet-5-5", "anthropic", 20_000, 4096, thinking=True)
HEADERS = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
TOOLS = (ToolSpec("read_file", "Reads.", {"type": "object"}),)


@cache
def contents() -> list[tuple[str, bytes]]:
    named = [(name, file) for name, path in FILES for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [
        (f"{name}/{file.name}", file.read_bytes()) for name, file in named if file.is_file() and file.suffix != ".md"
    ]


def mutated(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(chance.randrange(len(lines) + 1), lines[at])
            case 2:
                chance.shuffle(lines)
            case 3:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 4:
                other = chance.randrange(len(lines))
                lines[at] = lines[at] + lines[other]
            case _:
                line = bytearray(lines[at])
                for _ in range(chance.randint(1, 5)):
                    if line:
                        line[chance.randrange(len(line))] = chance.choice([chance.randrange(256), *b'0"{}[]:,\\'])
                lines[at] = bytes(line)
        lines = lines or [b""]
    return b"\n".join(lines)


def check(result: Result) -> None:
    """A request can be made of it, and the API would take it."""
    turns = [turn for turn in result.turns if turn.number > result.floor and turn.compacted is None]
    prompt = Item(id="999.1", kind="prompt", text="Go on")
    current = Turn(number=999, status="running", started="", items=(prompt,), model=TRAITS.id)
    for tools in ((), TOOLS):
        request = build_request(TRAITS, turns, current, system=result.system, summary=result.summary, tools=tools)
        body = json.dumps(encode(request, TRAITS), allow_nan=False).encode()
        admit(CreateMessage, HEADERS, body, Rules(window=TRAITS.context_window, prefill=False))
    assert result.metadata.turn_count == sum(turn.compacted is None for turn in result.turns)
    assert [turn.number for turn in result.turns] == list(range(1, len(result.turns) + 1))
    for child in result.children:
        check(child)


@pytest.mark.parametrize("place", range(len(contents())), ids=[name for name, _ in contents()])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32))
def test_mutated(place: int, seed: int) -> None:
    data = mutated(contents()[place][1], random.Random(seed))
    try:
        check(drawn(read_file(Content(data), "input", None, lambda: False)))
    except ImportFailed as error:
        assert error.message


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    try:
        check(drawn(read_file(Content(data), "input", None, lambda: False)))
    except ImportFailed as error:
        assert error.message
