"""Messages of role and content become turns and come back as they were given, whatever is in them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.exchange import ModelTraits
from agentd.core.fold import fold_turns
from agentd.core.history import build_request
from agentd.core.records import Record, item_draft, turn_draft
from agentd.core.role_messages import check_messages, reply_text, system_texts, to_messages, to_turns
from agentd.errors import InvalidParams
from agentd.protocol import Item, Turn, Usage

TIME = "2026-01-02T03:04:05Z"
TRAITS = ModelTraits(id="m", provider="p", context_window=200_000, max_output=1000)


def back(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Through turns, and through the transcript's records, as after a restart."""
    checked = check_messages(messages)
    drafts = [
        draft
        for turn in to_turns(checked, 1, TIME)
        for draft in (*(item_draft(turn.number, item) for item in turn.items), turn_draft(turn))
    ]
    records = [Record(seq, draft.turn, TIME, draft.kind, draft.body) for seq, draft in enumerate(drafts, 1)]
    return to_messages(system_texts(checked), None, fold_turns(records))


AGENIX: list[dict[str, Any]] = [
    {"role": "user", "content": "What files are here?", "timestamp": "2024-01-01T12:00:00Z"},
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "I'll check..."}],
        "tool_calls": [{"id": "call_123", "name": "bash", "arguments": {"command": "ls -la"}}],
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        "timestamp": "2024-01-01T12:00:01Z",
    },
    {
        "role": "tool",
        "tool_call_id": "call_123",
        "name": "bash",
        "content": "file1.py\n",
        "is_error": False,
        "timestamp": "2024-01-01T12:00:02Z",
    },
    {"role": "assistant", "content": [{"type": "text", "text": "One file."}], "timestamp": "2024-01-01T12:00:03Z"},
]


def test_the_documents_own_messages_come_back() -> None:
    assert back(AGENIX) == AGENIX
    (turn,) = to_turns(check_messages(AGENIX), 1, TIME)
    assert [item.kind for item in turn.items] == ["prompt", "text", "tool", "text"]
    assert (turn.started, turn.ended, turn.model) == ("2024-01-01T12:00:00Z", "2024-01-01T12:00:03Z", "gpt-4o")
    assert turn.usage == Usage(input_tokens=100, output_tokens=50)
    assert (turn.items[2].status, turn.items[2].output) == ("completed", "file1.py\n")
    assert turn.messages == 4


def test_plain_messages_are_kept_without_a_second_copy() -> None:
    messages = [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi! How can I help?"},
    ]
    assert back(messages) == messages
    (turn,) = to_turns(check_messages(messages), 7, TIME)
    assert turn.number == 7
    assert turn.messages == 3
    assert not any(item.model_extra for item in turn.items)


def test_other_shapes_of_tool_calls_are_understood() -> None:
    openai = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"path": "."}'}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": None, "tool_calls": [openai]},
        {"role": "tool", "tool_call_id": "c1", "content": "a.py", "is_error": True},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c2", "name": "cat", "input": {"f": "a.py"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c2", "content": "print()"}]},
        {"role": "assistant", "content": "It prints."},
    ]
    assert back(messages) == messages
    (turn,) = to_turns(check_messages(messages), 1, TIME)
    tools = [item for item in turn.items if item.kind == "tool"]
    assert [(tool.name, tool.input, tool.output) for tool in tools] == [
        ("ls", {"path": "."}, "a.py"),
        ("cat", {"f": "a.py"}, "print()"),
    ]
    assert tools[0].status == "failed"
    assert reply_text(turn) == "It prints."


def test_a_turn_of_ours_is_told_with_details_or_without() -> None:
    items = (
        Item(id="1.1", kind="prompt", text="Hi"),
        Item(id="1.2", kind="thinking", text="…", signature="s"),
        Item(id="1.3", kind="text", text="Let me see."),
        Item(id="1.4", kind="tool", name="ls", call_id="c", input={}, status="completed", output="x"),
        Item(id="1.5", kind="text", text="Done."),
    )
    usage = Usage(input_tokens=3, output_tokens=4)
    turn = Turn(number=1, status="completed", started=TIME, ended=TIME, items=items, usage=usage, model="m")
    plain = to_messages(("Be brief.",), "So far: much.", [turn])
    assert [message["role"] for message in plain] == ["system", "system", "user", "assistant", "tool", "assistant"]
    assert plain[2] == {"role": "user", "content": "Hi"}
    assert plain[3]["tool_calls"] == [{"id": "c", "name": "ls", "arguments": {}}]
    assert plain[5] == {"role": "assistant", "content": "Done."}
    detailed = to_messages((), None, [turn], details=True)
    assert detailed[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert detailed[-1]["content"] == [{"type": "text", "text": "Done."}]
    assert all(message["timestamp"] == TIME for message in detailed)
    assert reply_text(turn) == "Done."


@pytest.mark.parametrize(
    ("messages", "wrong"),
    [
        (["Hi"], "messages.0: is no object"),
        ([{"role": "user", "content": "x"}, {"content": "Hi"}], "messages.1.role: must be one of system"),
        ([{"role": "robot", "content": "x"}], "messages.0.role"),
        ([{"role": "user", "content": 5}], "messages.0.content"),
        ([{"role": "assistant", "content": "x", "tool_calls": "y"}], "messages.0.tool_calls"),
    ],
)
def test_wrong_messages_are_named(messages: list[Any], wrong: str) -> None:
    with pytest.raises(InvalidParams, match=wrong):
        check_messages(messages)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
CALL = st.fixed_dictionaries(
    {}, optional={"id": TEXT, "name": TEXT, "arguments": st.dictionaries(TEXT, TEXT, max_size=2) | TEXT}
)
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "tool_use", "tool_result", "thinking"])},
    optional={"text": TEXT, "id": TEXT, "tool_use_id": TEXT, "content": TEXT},
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"])},
    optional={
        "content": TEXT | st.none() | st.lists(BLOCK, max_size=3),
        "tool_calls": st.lists(CALL, max_size=3) | st.none(),
        "tool_call_id": TEXT,
        "name": TEXT,
        "is_error": st.booleans(),
        "timestamp": st.just("2024-01-01T12:00:00Z") | TEXT,
        "usage": st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens"]), st.integers(-1, 9)),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGE, max_size=8))
def test_any_messages_come_back_and_can_be_continued(messages: list[dict[str, Any]]) -> None:
    assert back(messages) == messages
    turns = to_turns(check_messages(messages), 1, TIME)
    current = Turn(number=99, status="running", started=TIME, items=(Item(id="99.1", kind="prompt", text="Go on"),))
    request = build_request(TRAITS, turns, current)
    assert request.messages[-1].role == "user"
    assert all(one.role != other.role for one, other in zip(request.messages, request.messages[1:], strict=False))
