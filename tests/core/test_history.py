"""No session can become unusable: whatever a transcript holds, the strict API accepts the request built of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.exchange import (
    Message,
    ModelTraits,
    Request,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolSpec,
    ToolUseBlock,
)
from agentd.core.fitting import block_cost, estimate_tokens, message_cost
from agentd.core.history import GO_ON, LONGEST_TOLD, NOT_RUN, STOPPED, build_request
from agentd.models.messages import encode
from agentd.protocol import ContextText, Item, Turn
from tests.core.conversations import conversations, texts, tool_specs, traits
from tests.support.messages_api.schema import CreateMessage
from tests.support.messages_api.signing import sign
from tests.support.messages_api.validate import Rules, admit

HEADERS = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
CLAUDE = ModelTraits("claude-haiku-4-5", "anthropic", 200_000, 64_000, thinking=True)
TINY = ModelTraits("smollm2-135m", "local", 1024, 384, tools=False, embedded=True, cache=False)
READ = ToolSpec("read_file", "Reads a file.", {"type": "object"})


def accepted(request: Request, model: ModelTraits) -> CreateMessage:
    """The request as the strict server has it; raises what the API would answer."""
    body = json.dumps(encode(request, model), allow_nan=False).encode()
    window = model.context_window - request.max_tokens
    return admit(CreateMessage, HEADERS, body, Rules(window=window, prefill=False))


def estimate(request: Request) -> int:
    """Tokens of all that the model reads and may write, as the project counts them."""
    tools = sum(estimate_tokens(f"{tool.name}{tool.description}{tool.schema}") for tool in request.tools)
    system = sum(map(block_cost, request.system))
    return request.max_tokens + tools + system + sum(map(message_cost, request.messages))


def said_by(request: Request, role: str) -> list[str]:
    blocks = [block for message in request.messages if message.role == role for block in message.blocks]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


@settings(deadline=None)
@given(
    conversations(),
    traits,
    tool_specs,
    st.lists(texts, max_size=6),
    st.one_of(st.none(), texts),
    st.sampled_from([1, 1500, 8192, 100_000]),
    st.sampled_from([None, 0, 1024, 5000, 1_000_000]),
)
def test_any_conversation_makes_a_request_that_is_accepted(
    conversation: tuple[list[Turn], Turn],
    model: ModelTraits,
    tools: tuple[ToolSpec, ...],
    system: list[str],
    summary: str | None,
    max_tokens: int,
    thinking: int | None,
) -> None:
    earlier, current = conversation

    def build() -> Request:
        return build_request(
            model,
            earlier,
            current,
            system=system,
            summary=summary,
            tools=tools,
            max_tokens=max_tokens,
            thinking=thinking,
        )

    request = build()
    assert build() == request
    accepted(request, model)
    assert estimate(request) <= model.context_window
    assert request.messages[-1].role == "user"
    every = [*request.system, *(block for message in request.messages for block in message.blocks)]
    marks = [block for block in every if getattr(block, "cache", False)]
    assert len(marks) <= (4 if model.cache else 0)
    prompts = said_by(request, "user")
    if any(item.kind == "prompt" for item in current.items):
        assert any(text.startswith(f"T{current.number};") for text in prompts)
    with_prompt = [turn.number for turn in earlier if any(item.kind == "prompt" for item in turn.items)]
    kept = [number for number in with_prompt if any(text.startswith(f"T{number};") for text in prompts)]
    assert kept == with_prompt[len(with_prompt) - len(kept) :]


# What follows says what the request is in plain cases, so that "accepted" is not all there is.


def turn(*items: Item, number: int = 1, model: str | None = CLAUDE.id, **fields: Any) -> Turn:
    return Turn(number=number, status="running", started="2026-11-21T08:30:00Z", items=items, model=model, **fields)


def prompt(text: str, **fields: Any) -> Item:
    return Item(id="1.1", kind="prompt", text=text, **fields)


def text(value: str) -> Item:
    return Item(id="1.2", kind="text", text=value)


def tool(call_id: str | None = "toolu_1", status: Any = "completed", output: str | None = "done", **more: Any) -> Item:
    fields: dict[str, Any] = {"name": "read_file", "input": {"path": "a"}, **more}
    return Item(id="1.3", kind="tool", call_id=call_id, status=status, output=output, **fields)


def thought(value: str = "hm") -> Item:
    return Item(id="1.2", kind="thinking", text=value, signature=sign(value))


def build(earlier: list[Turn], current: Turn, model: ModelTraits = CLAUDE, **fields: Any) -> Request:
    request = build_request(model, earlier, current, **fields)
    accepted(request, model)
    return request


def shape(messages: tuple[Message, ...]) -> list[tuple[str, list[str]]]:
    return [(message.role, [type(block).__name__ for block in message.blocks]) for message in messages]


def test_a_plain_conversation_goes_as_it_is() -> None:
    request = build([turn(prompt("One?"), text("Two."))], turn(prompt("Three?"), number=2), system=["Be brief."])
    assert [(message.role, [block.text for block in message.blocks]) for message in request.messages] == [  # type: ignore[union-attr]
        ("user", ["One?"]),
        ("assistant", ["Two."]),
        ("user", ["Three?"]),
    ]
    assert [block.cache for block in request.system] == [True]


def test_equal_system_texts_get_one_mark() -> None:
    request = build([], turn(prompt("Go")), system=["same"] * 6)
    assert [block.cache for block in request.system] == [False] * 5 + [True]


def test_a_tool_loop_keeps_its_thinking_and_its_steer() -> None:
    current = turn(prompt("Go"), thought(), tool("a"), tool("b"), prompt("Also this"), thought("more"), tool("c"))
    request = build([], current, tools=(READ,), thinking=2048)
    assert request.thinking == 2048
    assert shape(request.messages) == [
        ("user", ["TextBlock"]),
        ("assistant", ["ThinkingBlock", "ToolUseBlock", "ToolUseBlock"]),
        ("user", ["ToolResultBlock", "ToolResultBlock", "TextBlock"]),
        ("assistant", ["ThinkingBlock", "ToolUseBlock"]),
        ("user", ["ToolResultBlock"]),
    ]


@pytest.mark.parametrize("first", [True, False])
def test_thinking_waits_where_an_open_loop_did_not_begin_with_it(first: bool) -> None:
    name = CLAUDE.id if first else "claude-sonnet-5-5"
    model = ModelTraits(name, "anthropic", 200_000, 64_000, thinking=True, thinking_first=first)
    current = turn(prompt("Go"), tool("a"), thought(), tool("b"), model=name)
    request = build([], current, model, tools=(READ,), thinking=2048)
    assert request.thinking == (None if first else 2048)
    blocks = [block for message in request.messages for block in message.blocks]
    assert any(isinstance(block, ThinkingBlock) for block in blocks) is not first


def test_thinking_goes_on_after_a_turn_that_was_stopped_in_a_tool() -> None:
    earlier = turn(prompt("Go"), thought(), tool(status="interrupted", output=None))
    request = build([earlier], turn(prompt("Now?"), number=2), tools=(READ,), thinking=2048)
    assert request.thinking == 2048
    assert said_by(request, "assistant") == [STOPPED]
    results = [block for block in request.messages[2].blocks if isinstance(block, ToolResultBlock)]
    assert [(result.text, result.is_error) for result in results] == [(NOT_RUN, True)]


def test_thinking_of_another_model_is_left_out() -> None:
    request = build([], turn(prompt("Go"), thought(), tool(), model="other"), tools=(READ,), thinking=2048)
    assert shape(request.messages)[1] == ("assistant", ["ToolUseBlock"])


@pytest.mark.parametrize(("wanted", "reply", "budget"), [(5000, 4000, 3000), (2000, 4000, 2000), (2000, 1200, None)])
def test_a_thinking_budget_leaves_room_for_the_reply(wanted: int, reply: int, budget: int | None) -> None:
    assert build([], turn(prompt("Go")), thinking=wanted, max_tokens=reply).thinking == budget


def test_one_id_used_by_two_calls_of_one_round_answers_both() -> None:
    current = turn(prompt("Go"), tool("x", output="first"), tool("x", output="second"))
    request = build([], current, tools=(READ,))
    calls = [block.id for block in request.messages[1].blocks if isinstance(block, ToolUseBlock)]
    results = [(block.id, block.text) for block in request.messages[2].blocks if isinstance(block, ToolResultBlock)]
    assert results == list(zip(calls, ["first", "second"], strict=True))


def test_tools_that_are_not_offered_are_told_as_text() -> None:
    earlier = turn(prompt("Go"), tool(output="x" * 10_000), text("So."))
    request = build([earlier], turn(prompt("And?"), number=2))
    told = said_by(request, "assistant")[0]
    assert told.startswith("[I used read_file and read: xxx")
    assert len(told) < LONGEST_TOLD + 150


def test_a_turn_without_a_prompt_keeps_what_it_brought() -> None:
    request = build([], turn(tool(output="found")), tools=(READ,))
    assert shape(request.messages) == [
        ("user", ["TextBlock"]),
        ("assistant", ["ToolUseBlock"]),
        ("user", ["ToolResultBlock"]),
    ]
    assert said_by(build([], turn()), "user") == [GO_ON]


def test_context_is_for_its_own_turn_only() -> None:
    note = ContextText(title="a.py", text="```\nx", unsaved=True)
    lost = ContextText(title="b.bin", problem="a binary file")
    first = turn(prompt("Look", context=(note, lost)))
    assert said_by(build([], first), "user") == [
        "a.py (unsaved text from the editor):\n````\n```\nx\n````",
        "[b.bin: a binary file]",
        "Look",
    ]
    assert said_by(build([first], turn(prompt("Next"), number=2)), "user") == ["Look", "Next"]


def test_a_short_question_about_a_long_answer_has_some_of_the_answer() -> None:
    """The embedded model's everyday case: README, one answer as long as it gives, and a second prompt."""
    earlier = turn(prompt("What does this do?"), text("It keeps sessions alive. " * 60), model=TINY.id)
    current = turn(prompt("Say it in five words."), number=2, model=TINY.id)
    readme = "The project's README begins:\n" + "# agentd\nKeeps AI chat sessions alive behind the editor.\n" * 21
    request = build([earlier], current, TINY, system=["Be concise.", readme])
    assert said_by(request, "user") == ["What does this do?", "Say it in five words."]
    assert len(said_by(request, "assistant")[0]) > 200
    assert request.max_tokens == 384
    alone = build([], current, TINY, system=["Be concise.", readme])
    assert [block.text for block in alone.system] == ["Be concise.", readme]


def test_a_long_tool_loop_loses_its_oldest_rounds_and_says_so() -> None:
    rounds = [item for number in range(400) for item in (text(f"step {number}"), tool(output="x" * 300))]
    model = ModelTraits("llama3", "messages", 8000, 1000)
    request = build([], turn(prompt("Go on until the end"), *rounds), model, tools=(READ,))
    said = said_by(request, "assistant")
    assert "left out" in said[0]
    assert said[-1] == "step 399"
    assert said_by(request, "user") == ["Go on until the end"]


def test_a_model_without_cache_gets_no_marks() -> None:
    blocks = build([], turn(prompt("Go")), TINY, system=["a"]).messages[0].blocks
    assert blocks == (TextBlock("Go"),)
