"""What a script says arrives at the real SDK, in every form and split."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from anthropic import APIStatusError
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock

from tests.support.messages_api import (
    Delay,
    Gate,
    MessagesApi,
    Ping,
    Redacted,
    Reply,
    Rules,
    Stall,
    Text,
    Thinking,
    ToolUse,
    UnexpectedRequestError,
    Usage,
    Wait,
    say,
    sign,
)

from .talk import HELLO, final_message, read_all, sdk, stream

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(20)]

EVERYTHING = Reply(
    (
        Thinking("Let me see …", size=4),
        Redacted("b64"),
        Text("Grüße, 世界! 🎈", size=2),
        Ping(),
        ToolUse("read", {"path": "ä.txt", "lines": [1, 2]}, id="toolu_1", size=3),
    ),
    usage=Usage(10, 20, 30, 40),
)


async def test_text_arrives_as_the_events_of_the_real_api() -> None:
    async with MessagesApi([say("Hel", "lo")]) as api:
        kinds, text, error = await read_all(api)
    assert (text, error) == ("Hello", None)
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert api.requests[0].outcome == "answered"


@pytest.mark.parametrize("split", ["event", "whole", 1, 7, 4096])
async def test_everything_arrives_however_the_bytes_are_split(split: Any) -> None:
    reply = Reply(EVERYTHING.parts, usage=EVERYTHING.usage, split=split)
    async with MessagesApi([reply]) as api:
        message = await final_message(api)
    thinking, redacted, text, call = message.content
    assert isinstance(thinking, ThinkingBlock) and thinking.thinking == "Let me see …"
    assert thinking.signature == sign(thinking.thinking)
    assert redacted.type == "redacted_thinking" and redacted.data == "b64"
    assert isinstance(text, TextBlock) and text.text == "Grüße, 世界! 🎈"
    assert isinstance(call, ToolUseBlock) and call.input == {"path": "ä.txt", "lines": [1, 2]}
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (10, 20)
    assert (message.usage.cache_creation_input_tokens, message.usage.cache_read_input_tokens) == (30, 40)


async def test_the_same_reply_without_streaming() -> None:
    async with MessagesApi([EVERYTHING, EVERYTHING]) as api, sdk(api.url) as client:
        streamed = await final_message(api)
        whole = await client.messages.create(**HELLO)
    assert [block.to_dict() for block in whole.content] == [
        {key: value for key, value in block.to_dict().items() if key != "parsed_output"} for block in streamed.content
    ]
    assert whole.stop_reason == streamed.stop_reason and whole.usage.output_tokens == 20


@pytest.mark.parametrize(
    "reason", ["end_turn", "max_tokens", "tool_use", "pause_turn", "refusal", "stop_sequence", "tea_break"]
)
async def test_every_stop_reason_even_an_unknown_one(reason: str) -> None:
    async with MessagesApi([Reply((Text("Well"),), stop_reason=reason)]) as api, sdk(api.url) as client:
        reasons = [event.delta.stop_reason async for event in stream(client, HELLO) if event.type == "message_delta"]
    assert reasons == [reason]


async def test_a_gate_holds_the_reply_until_the_test_opens_it() -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate), "lo")),))]) as api:
        reading = asyncio.ensure_future(read_all(api))
        await gate.reached.wait()
        assert api.requests[0].text == "Hel" and api.requests[0].outcome == "running"
        gate.open()
        assert (await reading)[1] == "Hello"


async def test_hanging_up_reaches_the_server() -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate), "lo")),))]) as api:
        reading = asyncio.ensure_future(read_all(api))
        await gate.reached.wait()
        reading.cancel()
        exchange = await api.wait_disconnected(1)
        assert exchange.text == "Hel"
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_hanging_up_before_the_head_reaches_the_server() -> None:
    async with MessagesApi([Reply(before=(Stall(),))]) as api:
        reading = asyncio.ensure_future(read_all(api))
        await api.wait_for_request(1)
        reading.cancel()
        await api.wait_disconnected(1)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_waiting_for_a_hang_up_that_did_not_happen_says_so() -> None:
    async with MessagesApi([say("Hello")]) as api:
        await read_all(api)
        with pytest.raises(AssertionError, match="answered"):
            await api.wait_disconnected(1)


async def test_several_requests_at_once_each_get_an_answer() -> None:
    gate = Gate()

    def answer(body: dict[str, Any]) -> Reply:
        return Reply((Text(("Dear ", Wait(gate), str(body["messages"][0]["content"]))),))

    async with MessagesApi(answer) as api, sdk(api.url) as client:
        names = [f"caller {number}" for number in range(8)]

        async def ask(name: str) -> str:
            request = {**HELLO, "messages": [{"role": "user", "content": name}]}
            async with client.messages.stream(**request) as events:
                return await events.get_final_text()

        asking = asyncio.gather(*(ask(name) for name in names))
        await api.wait_for_request(len(names))
        gate.open()
        assert await asking == [f"Dear {name}" for name in names]


async def test_a_request_that_the_script_does_not_foresee_fails_the_test() -> None:
    with pytest.raises(UnexpectedRequestError, match="request 2 came after the script's 1 answers"):
        async with MessagesApi([say("one")]) as api:
            await read_all(api)
            _, _, error = await read_all(api)
            assert isinstance(error, APIStatusError) and error.status_code == 500


async def test_the_default_answers_what_the_script_leaves() -> None:
    async with MessagesApi([say("one")], default=say("more")) as api:
        assert [(await read_all(api))[1] for _ in range(3)] == ["one", "more", "more"]


async def test_a_script_that_raises_fails_the_test() -> None:
    def answer(body: dict[str, Any]) -> Reply:
        raise KeyError("nope")

    with pytest.raises(UnexpectedRequestError, match="nope"):
        async with MessagesApi(answer) as api:
            await read_all(api)


async def test_deltas_are_recorded_and_stamped() -> None:
    before = time.monotonic_ns()
    reply = Reply((Text("abcdef", size=1, stamp=True), Text("z")), delay=0.001)
    async with MessagesApi([reply]) as api:
        _, text, _ = await read_all(api)
    written = api.requests[0].deltas
    assert "".join(delta.text for delta in written) == "abcdefz"
    times = [before, api.requests[0].arrived_ns, *(delta.ns for delta in written), time.monotonic_ns()]
    assert times == sorted(times)
    assert [int(stamp) for stamp in re.findall(r"@(\d+) ", text)] == [delta.ns for delta in written[:6]]


async def test_a_delay_passes_between_parts() -> None:
    async with MessagesApi([Reply((Text("a"), Delay(0.02), Text("b")))]) as api:
        await read_all(api)
    first, second = api.requests[0].deltas
    assert second.ns - first.ns >= 15_000_000


async def test_requests_sent_ahead_of_the_answers_are_answered_in_order() -> None:
    body = json.dumps({**HELLO, "stream": True}).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nx-api-key: test-key\r\nanthropic-version: x\r\ncontent-length: {len(body)}"
    async with MessagesApi([say("first"), say("second")]) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
        writer.write((head.encode() + b"\r\n\r\n" + body) * 2)
        answers = [await reader.readuntil(b"0\r\n\r\n") for _ in range(2)]
        writer.close()
        await writer.wait_closed()
    assert b"first" in answers[0] and b"second" in answers[1]


async def test_models_and_token_counts() -> None:
    async with MessagesApi(rules=Rules(models=("claude-a", "claude-b"))) as api, sdk(api.url) as client:
        assert [model.id async for model in client.models.list()] == ["claude-a", "claude-b"]
        count = await client.messages.count_tokens(model="claude-a", messages=HELLO["messages"])
    assert 0 < count.input_tokens < 100
    assert [body["model"] for body in api.counted] == ["claude-a"]


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with MessagesApi([say("Hello")], unix=path) as api:
        assert (await read_all(api, unix=path))[1:] == ("Hello", None)
    assert not path.exists()


async def test_leaving_ends_every_task_and_connection() -> None:
    others = asyncio.all_tasks()
    reading = []
    async with MessagesApi(default=Reply((Text(("Hel", Stall())),))) as api:
        reading = [asyncio.ensure_future(read_all(api)) for _ in range(5)]
        await api.wait_for_request(5)
    assert asyncio.all_tasks() - others <= set(reading)
    assert {exchange.outcome for exchange in api.requests} <= {"stopped"}
    for _, _, error in await asyncio.gather(*reading):
        assert error is not None
