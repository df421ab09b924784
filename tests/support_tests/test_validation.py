"""Each thing that the real API refuses is refused, in its words; what stands next to it and is right goes through."""

from typing import Any

import anthropic
import httpx2
import pytest

from tests.support.messages_api import MessagesApi, Rules, say, sign

from .talk import HELLO, sdk

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(20)]

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "fine"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": sign("Hm.")}
TOOL = {"name": "read", "input_schema": {"type": "object"}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
HIDDEN = {"type": "redacted_thinking", "data": "x"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def model(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def talk(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {**HELLO, "messages": list(messages), **fields}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in HELLO.items() if key != name}


HI = user(text("Hi"))
MARKED = [text("a", **MARK) for _ in range(5)]

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": (without("model"), "model: Field required"),
    "no max_tokens": (without("max_tokens"), "max_tokens: Field required"),
    "no messages": (without("messages"), "messages: Field required"),
    "unknown field": ({**HELLO, "colour": "red"}, "colour: Extra inputs are not permitted"),
    "wrong type": ({**HELLO, "max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
    "list of another type": ({**HELLO, "stop_sequences": "stop"}, "stop_sequences: Input should be a valid list"),
    "max_tokens 0": ({**HELLO, "max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    "empty messages": (talk(), "messages: at least one message is required"),
    "assistant first": (talk(model(text("Hi"))), 'first message must use the "user" role'),
    "system role": (talk(HI, {"role": "system", "content": "x"}), 'Unexpected role "system"'),
    "unknown role": (talk({"role": "robot", "content": "x"}), 'Unexpected role "robot"'),
    "two users": (talk(HI, HI), 'multiple "user" roles in a row'),
    "two assistants": (talk(HI, model(text("a")), model(text("b")), HI), 'multiple "assistant" roles in a row'),
    "empty string": (talk({"role": "user", "content": ""}), "all messages must have non-empty content"),
    "empty list": (talk(user()), "all messages must have non-empty content"),
    "empty assistant in the middle": (talk(HI, model(), HI), "all messages must have non-empty content"),
    "content null": (talk({"role": "user", "content": None}), "messages.0.content: Input should be a valid list"),
    "empty text": (talk(user(text(""))), "text content blocks must be non-empty"),
    "blank text": (talk(user(text(" \n"))), "text content blocks must contain non-whitespace text"),
    "blank string": (talk({"role": "user", "content": "  "}), "text content blocks must contain non-whitespace text"),
    "empty system block": (talk(HI, system=[text("")]), "system: text content blocks must be non-empty"),
    "trailing space": (talk(HI, model(text("So "))), "final assistant content cannot end with trailing whitespace"),
    "unknown block": (talk(user({"type": "hologram"})), "Input tag 'hologram'"),
    "block without type": (talk(user({"text": "x"})), "Unable to extract tag using discriminator 'type'"),
    "unknown field in a block": (talk(user(text("x", colour=1))), "0.content.0.text.colour: Extra inputs"),
    "unknown field in a message": (talk({**HI, "id": "x"}), "messages.0.id: Extra inputs"),
    "parsed_output": (talk(HI, model(text("a", parsed_output=None)), HI), "text.parsed_output: Extra inputs"),
    "call at the end": (talk(HI, model(CALL)), "`tool_use` ids were found without `tool_result` blocks"),
    "call without result": (talk(HI, model(CALL), HI), "messages.1: `tool_use` ids were found without"),
    "one of two results": (
        talk(HI, model(CALL, {**CALL, "id": "toolu_2"}), user(RESULT)),
        "immediately after: toolu_2.",
    ),
    "result too late": (
        talk(HI, model(CALL), HI, model(text("a")), user(RESULT)),
        "`tool_use` ids were found without",
    ),
    "result without call": (talk(user(RESULT)), "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1"),
    "result for another": (talk(HI, model(text("a")), user(RESULT)), "unexpected `tool_use_id`"),
    "text before the result": (
        talk(HI, model(CALL), user(text("here"), RESULT)),
        "without `tool_result` blocks immediately after: toolu_1",
    ),
    "result twice": (talk(HI, model(CALL), user(RESULT, RESULT)), "each tool_use must have a single result"),
    "ids twice": (
        talk(HI, model(CALL), user(RESULT), model(CALL), user(RESULT)),
        "messages.3.content.0: `tool_use` ids must be unique",
    ),
    "bad call id": (talk(HI, model({**CALL, "id": "a b"}), HI), "id: String should match pattern"),
    "bad call name": (talk(HI, model({**CALL, "name": "re.ad"}), HI), "name: String should match pattern"),
    "input not an object": (talk(HI, model({**CALL, "input": "x"}), HI), "input: Input should be a valid dictionary"),
    "bad tool name": (talk(HI, tools=[{**TOOL, "name": "x" * 129}]), "name: String should match pattern"),
    "tool names twice": (talk(HI, tools=[TOOL, TOOL]), "Tool names must be unique"),
    "tool without schema": (talk(HI, tools=[{"name": "read"}]), "input_schema: Field required"),
    "choice without tools": (talk(HI, tool_choice={"type": "auto"}), "only be specified while providing tools"),
    "choice of no tool": (talk(HI, tools=[TOOL], tool_choice={"type": "tool", "name": "x"}), "Tool 'x' not found"),
    "call by the user": (talk(user(CALL)), "`tool_use` blocks can only be in `assistant` messages"),
    "result by the model": (talk(HI, model(RESULT), HI), "`tool_result` blocks can only be in `user` messages"),
    "image in a failure": (
        talk(HI, model(CALL), user({**RESULT, "is_error": True, "content": [IMAGE]})),
        "all content must be type `text`",
    ),
    "thinking unsigned": (
        talk(HI, model({"type": "thinking", "thinking": "Hm."}, text("a")), HI),
        "thinking.signature: Field required",
    ),
    "thinking changed": (
        talk(HI, model({**THOUGHT, "thinking": "Ha."}, text("a")), HI),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "thinking cut": (talk(HI, model({**THOUGHT, "signature": ""}, text("a")), HI), "Invalid `signature`"),
    "thinking by the user": (talk(user(THOUGHT, text("a"))), "`thinking` blocks can only be in `assistant`"),
    "thinking alone": (talk(HI, model(THOUGHT), HI), "The final block in an assistant message cannot be `thinking`"),
    "thinking lost in an open loop": (
        talk(HI, model(CALL), user(RESULT), thinking=THINKING),
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "thinking second in an open loop": (
        talk(HI, model(text("a"), THOUGHT, CALL), user(RESULT), thinking=THINKING),
        "Expected `thinking` or `redacted_thinking`, but found `text`",
    ),
    "redacted without data": (talk(HI, model({"type": "redacted_thinking"}, text("a")), HI), "data: Field required"),
    "redacted with nothing": (talk(HI, model({**HIDDEN, "data": ""}, text("a")), HI), "at least 1 character"),
    "five marks": (talk(user(*MARKED)), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    "five marks in all": (
        talk(user(*MARKED[:3]), system=MARKED[:1], tools=[{**TOOL, **MARK}]),
        "A maximum of 4 blocks with cache_control",
    ),
    "marked thinking": (talk(HI, model({**THOUGHT, **MARK}, text("a")), HI), "thinking.cache_control: Extra inputs"),
    "marked empty text": (talk(user(text("", **MARK))), "cache_control cannot be set for empty text blocks"),
    "long mark after short": (talk(user(text("a", **MARK), text("b", **HOUR))), "must not come after a ttl='5m'"),
    "budget too large": (
        talk(HI, max_tokens=1024, thinking=THINKING),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "budget too small": (
        talk(HI, thinking={**THINKING, "budget_tokens": 1023}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "budget missing": (talk(HI, thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
    "thinking and forced tool": (
        talk(HI, tools=[TOOL], tool_choice={"type": "any"}, thinking=THINKING),
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    "too long": (talk(user(text("word " * 200_000))), "prompt is too long: "),
}

ADMITTED: dict[str, dict[str, Any]] = {
    "the least": HELLO,
    "all fields": {
        **HELLO,
        "system": [text("Be brief.", **MARK)],
        "stop_sequences": ["END"],
        "metadata": {"user_id": "someone"},
        "service_tier": "auto",
        "tools": [{**TOOL, "description": "Reads", **MARK}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low"},
    },
    "system as a string": {**HELLO, "system": "Be brief."},
    "prefill": talk(HI, model(text("So"))),
    "empty final assistant": talk(HI, model()),
    "call and result": talk(HI, model(text("a"), CALL), user(RESULT, text("go on")), tools=[TOOL]),
    "result without content": talk(HI, model(CALL), user({"type": "tool_result", "tool_use_id": "toolu_1"})),
    "empty result": talk(HI, model(CALL), user({**RESULT, "content": ""})),
    "result with an image": talk(HI, model(CALL), user({**RESULT, "content": [text("a"), IMAGE]})),
    "failed result": talk(HI, model(CALL), user({**RESULT, "is_error": True})),
    "two calls": talk(
        HI, model(CALL, {**CALL, "id": "toolu_2"}), user({**RESULT, "tool_use_id": "toolu_2"}, RESULT, text("a"))
    ),
    "thinking kept": talk(HI, model(THOUGHT, text("a")), HI, thinking=THINKING),
    "thinking sent though not enabled": talk(HI, model(THOUGHT, text("a")), HI),
    "thinking first in an open loop": talk(HI, model(THOUGHT, CALL), user(RESULT), thinking=THINKING),
    "redacted first in an open loop": talk(HI, model(HIDDEN, CALL), user(RESULT), thinking=THINKING),
    "later steps of a loop need none": talk(
        HI,
        model(THOUGHT, CALL),
        user(RESULT),
        model({**CALL, "id": "toolu_2"}),
        user({**RESULT, "tool_use_id": "toolu_2"}),
        thinking=THINKING,
    ),
    "thinking lost in a closed loop": talk(HI, model(CALL), user(RESULT), model(text("a")), HI, thinking=THINKING),
    "adaptive thinking asks for none": talk(HI, model(CALL), user(RESULT), thinking={"type": "adaptive"}),
    "four marks": talk(user(*MARKED[:4])),
    "short mark after long": talk(user(text("a", **HOUR), text("b", **MARK))),
    "budget just right": talk(HI, max_tokens=1025, thinking=THINKING),
    "image": talk(user(IMAGE, text("What is it?"))),
    "document": talk(
        user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"})
    ),
}


async def refusal(request: dict[str, Any], rules: Rules | None = None) -> anthropic.APIStatusError:
    async with MessagesApi([], rules=rules) as api, sdk(api.url) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.post("/v1/messages", body={**request, "stream": True}, cast_to=httpx2.Response)
        assert [exchange.refusal is not None for exchange in api.requests] == [True]
        assert api.requests[0].outcome == "refused" and api.refused == api.requests
    return caught.value


@pytest.mark.parametrize(("request_body", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_it_is_refused(request_body: dict[str, Any], message: str) -> None:
    error = await refusal(request_body)
    assert error.status_code == 400 and isinstance(error.body, dict)
    assert error.body["type"] == "error" and error.body["error"]["type"] == "invalid_request_error"
    assert message in error.body["error"]["message"]
    assert error.body["request_id"] == error.response.headers["request-id"]


@pytest.mark.parametrize("request_body", ADMITTED.values(), ids=ADMITTED.keys())
async def test_it_is_admitted(request_body: dict[str, Any]) -> None:
    async with MessagesApi([say("fine")]) as api, sdk(api.url) as client:
        message = await client.messages.create(**request_body)
        assert message.content[0].to_dict()["text"] == "fine"
        assert api.refused == []


async def test_token_counts_are_as_strict_and_know_no_max_tokens() -> None:
    async with MessagesApi() as api, sdk(api.url) as client:
        with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
            await client.post("/v1/messages/count_tokens", body=HELLO, cast_to=httpx2.Response)
        with pytest.raises(anthropic.BadRequestError, match="at least one message"):
            await client.messages.count_tokens(model="m", messages=[])


async def test_a_list_of_models_refuses_others() -> None:
    error = await refusal(HELLO, Rules(models=("claude-other",)))
    assert isinstance(error, anthropic.NotFoundError) and isinstance(error.body, dict)
    assert error.body["error"] == {"type": "not_found_error", "message": "model: claude-scripted-1"}


async def test_the_window_is_a_setting() -> None:
    error = await refusal(talk(user(text("word " * 100))), Rules(window=100))
    assert "prompt is too long: " in str(error) and "> 100 maximum" in str(error)


async def test_roles_in_a_row_are_merged_where_that_is_wanted() -> None:
    rules = Rules(strict_alternation=False)
    rows = [
        talk(HI, HI),
        talk(HI, model(CALL), user(RESULT), user(text("and?"))),
        talk(HI, model(text("a")), model(CALL), user(RESULT)),
    ]
    async with MessagesApi(default=say("fine"), rules=rules) as api, sdk(api.url) as client:
        for row in rows:
            await client.messages.create(**row)
        assert api.refused == []


async def test_a_model_without_prefill_refuses_it() -> None:
    error = await refusal(talk(HI, model(text("So"))), Rules(prefill=False))
    assert "does not support assistant message prefill" in str(error)


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "x-api-key header is required"),
        ({"x-api-key": "wrong", "anthropic-version": "2023-06-01"}, 401, "invalid x-api-key"),
        ({"authorization": "Bearer wrong", "anthropic-version": "2023-06-01"}, 401, "Invalid bearer token"),
        ({"x-api-key": "test-key"}, 400, "anthropic-version: header is required"),
        ({"x-api-key": "test-key", "anthropic-version": "2023-06-01"}, 200, ""),
        ({"authorization": "Bearer test-key", "anthropic-version": "2023-06-01"}, 200, ""),
    ],
)
async def test_keys_and_version(headers: dict[str, str], status: int, message: str) -> None:
    async with MessagesApi(default=say("fine")) as api, httpx2.AsyncClient() as http:
        answers = [
            await http.post(f"{api.url}/v1/messages", json=HELLO, headers=headers),
            await http.get(f"{api.url}/v1/models", headers=headers),
        ]
    for answer in answers:
        assert answer.status_code == status
        if message:
            assert answer.json()["error"]["message"] == message


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/complete", b"{}", 404),
        ("GET", "/v1/messages", b"", 405),
        ("POST", "/v1/messages", b"{nope", 400),
        ("POST", "/v1/messages", b"[]", 400),
        ("POST", "/v1/messages?beta=true", b"{}", 400),
        ("POST", "/v1/messages", b" " * (32 * 1024 * 1024 + 1), 413),
    ],
)
async def test_other_requests(method: str, path: str, body: bytes, status: int) -> None:
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    async with MessagesApi() as api, httpx2.AsyncClient() as http:
        answer = await http.request(method, f"{api.url}{path}", content=body, headers=headers)
    assert answer.status_code == status and answer.json()["type"] == "error"
