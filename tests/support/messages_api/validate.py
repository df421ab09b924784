"""Who may ask, and what a request must be: `admit` returns it in its typed shape or raises what the API would answer.

Owns the rules that look at the request as a whole; those about one block's place in the conversation are in
`conversation`. Pure: it reads no clock, and remembers nothing from one request to the next.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from pydantic import ValidationError

from .conversation import check_conversation
from .errors import ApiError
from .schema import (
    CacheControl,
    CountTokens,
    CreateMessage,
    RedactedBlock,
    ThinkingBlock,
    ThinkingEnabled,
    ToolResultBlock,
)


@dataclass(frozen=True)
class Rules:
    """`models` None accepts any. The real API merges consecutive messages of one role, which hides a client's
    mistakes: `strict_alternation` refuses them. Newer models refuse a conversation that ends with the assistant:
    `prefill=False` does."""

    api_key: str = "test-key"
    models: tuple[str, ...] | None = None
    window: int = 200_000
    strict_alternation: bool = True
    prefill: bool = True


Request = TypeVar("Request", bound=CountTokens)


def admit(shape: type[Request], headers: Mapping[str, str], body: bytes, rules: Rules) -> Request:
    authenticate(headers, rules)
    request = _parse(shape, body)
    _check_model(request.model, rules)
    check_conversation(request, strict_alternation=rules.strict_alternation, prefill=rules.prefill)
    _check_marks(request)
    _check_tools(request)
    if isinstance(request, CreateMessage):
        _check_budget(request)
    if (tokens := count_tokens(request)) > rules.window:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {rules.window} maximum")
    return request


def authenticate(headers: Mapping[str, str], rules: Rules) -> None:
    key = headers.get("x-api-key")
    bearer = headers.get("authorization")
    if key is None and bearer is None:
        raise ApiError(401, "x-api-key header is required")
    if key is not None and key != rules.api_key:
        raise ApiError(401, "invalid x-api-key")
    if key is None and bearer != f"Bearer {rules.api_key}":
        raise ApiError(401, "Invalid bearer token")
    if "anthropic-version" not in headers:
        raise ApiError(400, "anthropic-version: header is required")


def count_tokens(request: CountTokens) -> int:
    """A rough count: four characters a token, over what the model would read."""
    texts = request.model_dump_json(include={"messages", "system", "tools"}, exclude_defaults=True)
    return max(1, len(texts) // 4)


def _parse(shape: type[Request], body: bytes) -> Request:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(step) for step in first["loc"])
        raise ApiError(400, f"{path}: {first['msg']}" if path else first["msg"]) from error


def _check_model(model: str, rules: Rules) -> None:
    if rules.models is not None and model not in rules.models:
        raise ApiError(404, f"model: {model}")


def _marks(request: CountTokens) -> Iterator[CacheControl]:
    """The cache marks in the order in which the API reads the prompt."""
    found = [tool.cache_control for tool in request.tools]
    found += [text.cache_control for text in request.system]
    for block in (block for message in request.messages for block in message.content):
        if isinstance(block, ToolResultBlock):
            found.extend(inner.cache_control for inner in block.content)
        if not isinstance(block, ThinkingBlock | RedactedBlock):
            found.append(block.cache_control)
    found.append(request.cache_control)
    return (mark for mark in found if mark is not None)


def _check_marks(request: CountTokens) -> None:
    marks = list(_marks(request))
    if len(marks) > 4:
        raise ApiError(400, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    times = [mark.ttl for mark in marks]
    if any(early == "5m" and late == "1h" for early, late in pairwise(times)):
        raise ApiError(400, "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.")


def _check_tools(request: CountTokens) -> None:
    names = [tool.name for tool in request.tools]
    if len(set(names)) != len(names):
        raise ApiError(400, "tools: Tool names must be unique.")
    if (choice := request.tool_choice) is None:
        return
    if not names:
        raise ApiError(400, "tool_choice may only be specified while providing tools")
    if choice.type == "tool" and choice.name not in names:
        raise ApiError(400, f"tool_choice: Tool '{choice.name}' not found in provided tools")
    if choice.type in ("any", "tool") and isinstance(request.thinking, ThinkingEnabled):
        raise ApiError(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_budget(request: CreateMessage) -> None:
    if isinstance(request.thinking, ThinkingEnabled) and request.thinking.budget_tokens >= request.max_tokens:
        raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
