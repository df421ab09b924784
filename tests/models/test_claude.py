"""Claude's adapter: what goes out and what comes back. The real SDK talks to the strict server."""

import pytest

from agentd.config import Settings
from agentd.core.exchange import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Message,
    RedactedBlock,
    Request,
    Stopped,
    TextBlock,
    ThinkingBlock,
    TokensUsed,
    ToolResultBlock,
    ToolSpec,
    ToolUseBlock,
)
from agentd.models.api import Model
from tests.models.asking import KEY, MODEL, MakeCatalog, ask, environment, listen
from tests.support.messages_api import (
    DuplicateStart,
    MessagesApi,
    Ping,
    Redacted,
    Reply,
    Text,
    Thinking,
    ToolUse,
    UnknownBlock,
    UnknownDelta,
    UnknownEvent,
    Usage,
    say,
    sign,
)

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


@pytest.fixture
def claude(make_catalog: MakeCatalog) -> Model:
    return make_catalog(Settings()).find(MODEL)


async def test_a_reply_comes_as_events_in_order(claude: Model) -> None:
    reply = Reply((Text(("Hel", "lo")),), usage=Usage(7, 2, cache_read_input_tokens=3, cache_creation_input_tokens=4))
    async with MessagesApi([reply]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.failure is None
    assert heard.shape == [BlockStarted("text"), BlockDelta("Hello"), BlockEnded(), Stopped("end_turn")]
    used = [event.usage for event in heard.events if isinstance(event, TokensUsed)][-1]
    assert (used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens) == (7, 2, 3, 4)


async def test_thinking_redacted_and_tool_blocks_are_kept_whole(claude: Model) -> None:
    reply = Reply(
        (
            Thinking(
                ("Let me ", "see."),
            ),
            Redacted("c2VjcmV0"),
            Text("I read it."),
            ToolUse("read_file", {"path": "a ü.py"}, id="toolu_1", size=3),
            ToolUse("list_files", {}, id="toolu_2"),
        )
    )
    async with MessagesApi([reply]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.shape == [
        BlockStarted("thinking"),
        BlockDelta("Let me see."),
        BlockEnded(sign("Let me see.")),
        BlockStarted("redacted", data="c2VjcmV0"),
        BlockEnded(),
        BlockStarted("text"),
        BlockDelta("I read it."),
        BlockEnded(),
        BlockStarted("tool", call_id="toolu_1", name="read_file"),
        BlockDelta('{"path": "a \\u00fc.py"}'),
        BlockEnded(),
        BlockStarted("tool", call_id="toolu_2", name="list_files"),
        BlockDelta("{}"),
        BlockEnded(),
        Stopped("tool_use"),
    ]


async def test_a_whole_request_is_accepted_and_says_all(claude: Model) -> None:
    request = Request(
        model=MODEL,
        system=(TextBlock("Be brief."), TextBlock("You are in a project.", cache=True)),
        tools=(ToolSpec("read_file", "Reads a file.", SCHEMA),),
        max_tokens=4096,
        thinking=2048,
        messages=(
            Message("user", (TextBlock("read it", cache=True),)),
            Message(
                "assistant",
                (
                    ThinkingBlock("hm", sign("hm")),
                    RedactedBlock("c2VjcmV0"),
                    ToolUseBlock("toolu_1", "read_file", {"path": "a"}),
                    ToolUseBlock("toolu_2", "read_file", {"path": "b"}),
                ),
            ),
            Message(
                "user",
                (
                    ToolResultBlock("toolu_1", "no such file", is_error=True),
                    ToolResultBlock("toolu_2", " \n", cache=True),
                    TextBlock("and now?"),
                ),
            ),
        ),
    )
    async with MessagesApi([say("It is empty.")]) as api:
        heard = await listen(claude, request, environment(api))
    assert heard.text == "It is empty."
    sent = api.requests[0]
    mark = {"type": "ephemeral"}
    assert sent.body["system"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "You are in a project.", "cache_control": mark},
    ]
    assert sent.body["tools"] == [{"name": "read_file", "description": "Reads a file.", "input_schema": SCHEMA}]
    assert sent.body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such file", "is_error": True},
        # Blank text is refused by the API.
        {"type": "tool_result", "tool_use_id": "toolu_2", "cache_control": mark},
        {"type": "text", "text": "and now?"},
    ]
    assert (sent.body["max_tokens"], sent.body["stream"]) == (4096, True)


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        ("claude-sonnet-5-5", 2048, {"type": "adaptive", "display": "summarized"}),
        ("claude-opus-4-6", 2048, {"type": "adaptive", "display": "summarized"}),
        ("claude-haiku-4-5-20251001", 2048, {"type": "enabled", "budget_tokens": 2048}),
        ("someone/else:7b", 2048, {"type": "enabled", "budget_tokens": 2048}),
        ("someone/else:7b", 999_999, {"type": "enabled", "budget_tokens": 4095}),
        ("claude-sonnet-5-5", None, None),
    ],
)
async def test_thinking_is_asked_for_as_each_model_takes_it(
    make_catalog: MakeCatalog, model: str, thinking: int | None, sent: object
) -> None:
    request = Request(model, (Message("user", (TextBlock("hello"),)),), max_tokens=4096, thinking=thinking)
    async with MessagesApi([say("hi")]) as api:
        heard = await listen(make_catalog(Settings()).find(model), request, environment(api))
    assert heard.failure is None
    assert api.requests[0].body.get("thinking") == sent


async def test_without_room_for_a_budget_there_is_no_thinking(make_catalog: MakeCatalog) -> None:
    request = Request("claude-haiku-4-5", (Message("user", (TextBlock("hello"),)),), max_tokens=1024, thinking=1024)
    async with MessagesApi([say("hi")]) as api:
        heard = await listen(make_catalog(Settings()).find("claude-haiku-4-5"), request, environment(api))
    assert heard.failure is None
    assert "thinking" not in api.requests[0].body


async def test_the_reply_is_no_longer_than_the_model_can_speak(make_catalog: MakeCatalog) -> None:
    request = Request("claude-sonnet-4-6", (Message("user", (TextBlock("hello"),)),), max_tokens=1_000_000)
    async with MessagesApi([say("hi")]) as api:
        await listen(make_catalog(Settings()).find("claude-sonnet-4-6"), request, environment(api))
    assert api.requests[0].body["max_tokens"] == 64_000


@pytest.mark.parametrize("split", ["event", "whole", 1, 7, 100])
async def test_what_is_unknown_is_passed_over(claude: Model, split: object) -> None:
    reply = Reply(
        (UnknownBlock(), UnknownEvent(), Ping(), Text(("Grüß ", UnknownDelta(), DuplicateStart(), "Gott 🙂"))),
        split=split,  # type: ignore[arg-type]
    )
    async with MessagesApi([reply]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.shape == [BlockStarted("text"), BlockDelta("Grüß Gott 🙂"), BlockEnded(), Stopped("end_turn")]


@pytest.mark.parametrize("reason", ["max_tokens", "pause_turn", "refusal", "model_context_window_exceeded", "tired"])
async def test_stop_reasons_pass_through(claude: Model, reason: str) -> None:
    async with MessagesApi([Reply((Text("hi"),), stop_reason=reason)]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.stopped == reason


async def test_a_reply_may_be_empty(claude: Model) -> None:
    async with MessagesApi([Reply(())]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.shape == [Stopped("end_turn")]


async def test_a_bearer_token_goes_out_as_one(claude: Model) -> None:
    async with MessagesApi([say("hi")]) as api:
        heard = await listen(claude, ask(), {"ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_BASE_URL": api.url})
    assert heard.text == "hi"
    assert api.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_daemons_own_environment_is_not_read(claude: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-whoever-started-the-daemon")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-whoever-started-the-daemon")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Secret: of-whoever-started-the-daemon")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with MessagesApi([say("hi")]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.text == "hi"
    assert "whoever" not in str(api.requests[0].headers)
