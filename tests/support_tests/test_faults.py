"""What each fault looks like to the real SDK. These rows are what the model adapter has to cope with, as measured."""

import asyncio
from typing import Any, TypeAlias

import anthropic
import httpx2
import pytest

from tests.support.messages_api import (
    BAD_GATEWAY,
    EMPTY,
    HTML_INSTEAD,
    INVALID_UTF8,
    JSON_INSTEAD,
    MALFORMED_JSON,
    OVERLOADED,
    RATE_LIMITED,
    SERVER_ERROR,
    Answer,
    Cut,
    DuplicateStart,
    Eof,
    ErrorEvent,
    Gate,
    Http,
    MessagesApi,
    Piece,
    Ping,
    Reply,
    Reset,
    Stall,
    Text,
    Thinking,
    ToolUse,
    UnknownBlock,
    UnknownDelta,
    UnknownEvent,
    Wait,
)

from .talk import HELLO, final_message, read_all, sdk

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(20)]

Raised: TypeAlias = type[BaseException] | None


@pytest.mark.parametrize(
    ("answer", "raised", "status"),
    [
        (RATE_LIMITED, anthropic.RateLimitError, 429),
        (OVERLOADED, anthropic.APIStatusError, 529),
        (SERVER_ERROR, anthropic.InternalServerError, 500),
        (BAD_GATEWAY, anthropic.InternalServerError, 502),
        (Http(401), anthropic.AuthenticationError, 401),
        (Http(403), anthropic.PermissionDeniedError, 403),
        (Http(404), anthropic.NotFoundError, 404),
        (Http(413), anthropic.APIStatusError, 413),
    ],
)
async def test_an_error_status_before_the_first_token(answer: Http, raised: type[Exception], status: int) -> None:
    async with MessagesApi([answer]) as api:
        kinds, _, error = await read_all(api)
    assert kinds == [] and isinstance(error, raised)
    assert isinstance(error, anthropic.APIStatusError) and error.status_code == status
    assert error.response.headers.get("retry-after") == ("1" if status == 429 else None)


@pytest.mark.parametrize(("fault", "cause"), [(Eof(), httpx2.RemoteProtocolError), (Cut(), httpx2.RemoteProtocolError)])
async def test_a_connection_that_closes_without_a_response(fault: Eof | Cut, cause: type[Exception]) -> None:
    async with MessagesApi([Reply(before=(fault,))]) as api:
        kinds, _, error = await read_all(api)
        assert kinds == [] and type(error) is anthropic.APIConnectionError and isinstance(error.__cause__, cause)
        assert api.requests[0].outcome == "broken"


async def test_a_reset_without_a_response() -> None:
    async with MessagesApi([Reply(before=(Reset(),))]) as api:
        _, _, error = await read_all(api)
    assert type(error) is anthropic.APIConnectionError and isinstance(error.__cause__, httpx2.ReadError)


@pytest.mark.parametrize("answer", [HTML_INSTEAD, JSON_INSTEAD, EMPTY, Http(200, b"", content_type="text/html")])
async def test_something_else_than_events_is_nothing_raw_and_an_assertion_in_the_helper(answer: Answer) -> None:
    async with MessagesApi(default=answer) as api:
        assert await read_all(api) == ([], "", None)
        with pytest.raises(AssertionError):
            await final_message(api)


IN_MID_STREAM: list[tuple[Piece, Raised]] = [
    (Eof(), None),
    (Cut(), httpx2.RemoteProtocolError),
    (Reset(), httpx2.ReadError),
    (ErrorEvent(), anthropic.APIStatusError),
    (ErrorEvent("api_error", "Internal server error"), anthropic.APIStatusError),
    (MALFORMED_JSON, ValueError),
    (INVALID_UTF8, UnicodeDecodeError),
]


@pytest.mark.parametrize(("fault", "raised"), IN_MID_STREAM)
@pytest.mark.parametrize("texts", [(), ("Hel",)], ids=["before the first token", "in mid-stream"])
async def test_a_fault_in_a_block(fault: Piece, raised: Raised, texts: tuple[str, ...]) -> None:
    async with MessagesApi([Reply((Text((*texts, fault, "lost")),))]) as api:
        kinds, text, error = await read_all(api)
    assert text == "".join(texts)
    assert "message_stop" not in kinds and kinds[0] == "message_start"
    if raised is None:
        assert error is None
    else:
        assert isinstance(error, raised)
    if isinstance(error, anthropic.APIStatusError):
        assert error.status_code == 200


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Eof(), None),
        (Cut(), httpx2.RemoteProtocolError),
        (Reset(), httpx2.ReadError),
        (ErrorEvent(), anthropic.APIStatusError),
    ],
)
async def test_a_fault_between_message_delta_and_message_stop(
    fault: Eof | Cut | Reset | ErrorEvent, raised: Raised
) -> None:
    async with MessagesApi([Reply((Text("Hello"),), after=(fault,))]) as api:
        kinds, text, error = await read_all(api)
    assert (text, kinds[-1]) == ("Hello", "message_delta")
    assert error is None if raised is None else isinstance(error, raised)


@pytest.mark.parametrize("piece", [UnknownEvent(), UnknownDelta(), DuplicateStart(), Ping()])
async def test_what_a_client_must_tolerate(piece: Piece) -> None:
    async with MessagesApi([Reply((Text(("Hel", piece, "lo")),))]) as api:
        kinds, text, error = await read_all(api)
    assert (text, error, kinds[-1]) == ("Hello", None, "message_stop")


async def test_an_unknown_block_between_two_known_ones() -> None:
    async with MessagesApi([Reply((Text("Hel"), UnknownBlock(), Text("lo")))]) as api:
        kinds, text, error = await read_all(api)
    assert (text, error, kinds.count("content_block_start")) == ("Hello", None, 3)


@pytest.mark.parametrize("end", [(Eof(),), ()], ids=["stream cut", "stream ended"])
async def test_a_cut_tool_call_looks_like_a_valid_one(end: tuple[Piece, ...]) -> None:
    cut = ToolUse("write", ('{"path": "a.txt", "text": "hal', *end))
    async with MessagesApi([Reply((cut,), stop_reason="max_tokens")]) as api:
        message = await final_message(api)
    call = message.content[0]
    assert call.type == "tool_use" and call.input == {"path": "a.txt"}
    assert message.stop_reason == (None if end else "max_tokens")


async def test_thinking_that_is_cut_has_no_signature() -> None:
    async with MessagesApi([Reply((Thinking(("Let me", Eof())),))]) as api:
        message = await final_message(api)
    block = message.content[0]
    assert block.type == "thinking" and (block.thinking, block.signature) == ("Let me", "")


@pytest.mark.parametrize("pings", [None, 0.001])
async def test_a_stall_lasts_until_the_client_leaves(pings: float | None) -> None:
    gate = Gate()
    async with MessagesApi([Reply((Text(("Hel", Wait(gate), Stall(pings))),))]) as api:
        reading = asyncio.ensure_future(read_all(api))
        await gate.reached.wait()
        gate.open()
        reading.cancel()
        assert (await api.wait_disconnected(1)).text == "Hel"
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_pings_reset_the_read_timeout() -> None:
    """A stall without pings runs into the SDK's read timeout; the same with pings never does."""
    async with MessagesApi([Reply((Text(("Hel", Stall())),))]) as api, sdk(api.url) as client:
        patience = client.with_options(timeout=httpx2.Timeout(5, read=0.5))
        with pytest.raises(httpx2.ReadTimeout):
            async with patience.messages.stream(**HELLO) as events:
                await events.get_final_message()
        await api.wait_disconnected(1)
    async with MessagesApi([Reply((Text(("Hel", Stall(pings=0.01))),))]) as api, sdk(api.url) as client:
        patience = client.with_options(timeout=httpx2.Timeout(5, read=0.8))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.2), patience.messages.stream(**HELLO) as events:
                await events.get_final_message()


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Eof(), anthropic.APIConnectionError),
        (Cut(), anthropic.APIConnectionError),
        (Reset(), anthropic.APIConnectionError),
        (ErrorEvent(), anthropic.APIStatusError),
    ],
)
async def test_the_same_faults_without_streaming(fault: Piece, raised: type[Exception]) -> None:
    async with MessagesApi([Reply((Text(("Hel", fault, "lo")),))]) as api, sdk(api.url) as client:
        with pytest.raises(raised):
            await client.messages.create(**HELLO)
    assert api.requests[0].outcome == "broken"


async def test_what_came_before_a_reset_is_never_lost() -> None:
    texts: tuple[Any, ...] = tuple("x" * 1000 for _ in range(300))
    async with MessagesApi([Reply((Text((*texts, Reset())),))]) as api:
        _, text, error = await read_all(api)
    assert isinstance(error, httpx2.ReadError) and len(text) == 300_000
