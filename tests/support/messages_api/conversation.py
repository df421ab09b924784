"""The rules on order: roles, content, tool calls and their results, thinking. Pure, and worded as the real API does."""

from collections.abc import Sequence
from itertools import pairwise

from .errors import ApiError
from .schema import (
    Block,
    CountTokens,
    Message,
    RedactedBlock,
    TextBlock,
    ThinkingBlock,
    ThinkingEnabled,
    ToolResultBlock,
    ToolUseBlock,
)
from .signing import is_signed


def check_conversation(request: CountTokens, *, strict_alternation: bool, prefill: bool) -> None:
    messages = request.messages
    if not messages:
        raise ApiError(400, "messages: at least one message is required")
    _check_roles(messages, strict_alternation)
    if not prefill and messages[-1].role == "assistant":
        raise ApiError(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    _check_texts("system", request.system)
    for number, message in enumerate(messages):
        _check_content(number, message, is_last=number == len(messages) - 1)
    _check_tool_calls(_merged(messages))
    if isinstance(request.thinking, ThinkingEnabled):
        _check_thinking_first(_merged(messages))


def _check_roles(messages: Sequence[Message], strict_alternation: bool) -> None:
    for message in messages:
        if message.role == "system":
            raise ApiError(
                400,
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
                'not "system" as an input message role.',
            )
        if message.role not in ("user", "assistant"):
            raise ApiError(400, f'messages: Unexpected role "{message.role}". Allowed roles are "user" or "assistant".')
    if messages[0].role != "user":
        raise ApiError(400, 'messages: first message must use the "user" role')
    for before, after in pairwise(messages):
        if strict_alternation and before.role == after.role:
            raise ApiError(
                400,
                'messages: roles must alternate between "user" and "assistant", '
                f'but found multiple "{after.role}" roles in a row',
            )


def _check_texts(where: str, blocks: Sequence[object]) -> None:
    for number, block in enumerate(blocks):
        if not isinstance(block, TextBlock):
            continue
        if not block.text:
            if block.cache_control is not None:
                raise ApiError(400, f"{where}.{number}.text: cache_control cannot be set for empty text blocks")
            raise ApiError(400, f"{where}: text content blocks must be non-empty")
        if not block.text.strip():
            raise ApiError(400, f"{where}: text content blocks must contain non-whitespace text")


def _check_content(number: int, message: Message, *, is_last: bool) -> None:
    is_assistant = message.role == "assistant"
    if not message.content:
        if is_last and is_assistant:
            return
        raise ApiError(
            400,
            f"messages.{number}: all messages must have non-empty content except for the optional final assistant "
            "message",
        )
    _check_texts("messages", message.content)
    for index, block in enumerate(message.content):
        _check_place(f"messages.{number}.content.{index}", block, is_assistant)
    final = message.content[-1]
    if is_assistant and isinstance(final, ThinkingBlock | RedactedBlock):
        raise ApiError(400, f"messages.{number}: The final block in an assistant message cannot be `{final.type}`.")
    if is_last and is_assistant and isinstance(final, TextBlock) and final.text != final.text.rstrip():
        raise ApiError(400, "messages: final assistant content cannot end with trailing whitespace")


def _check_place(where: str, block: Block, is_assistant: bool) -> None:
    match block:
        case ToolUseBlock() | ThinkingBlock() | RedactedBlock() if not is_assistant:
            raise ApiError(400, f"{where}: `{block.type}` blocks can only be in `assistant` messages")
        case ThinkingBlock() if not is_signed(block.thinking, block.signature):
            raise ApiError(400, f"{where}: Invalid `signature` in `thinking` block")
        case ToolResultBlock() if is_assistant:
            raise ApiError(400, f"{where}: `tool_result` blocks can only be in `user` messages")
        case ToolResultBlock():
            _check_texts(f"{where}.tool_result.content", block.content)
            if block.is_error and not all(isinstance(inner, TextBlock) for inner in block.content):
                raise ApiError(400, f"{where}: all content must be type `text` if `is_error` is true")
        case _:
            pass


def _merged(messages: Sequence[Message]) -> list[list[Block]]:
    """The turns as the API reads them, user and assistant in alternation."""
    turns: list[list[Block]] = []
    role = ""
    for message in messages:
        if message.role == role:
            turns[-1].extend(message.content)
        else:
            turns.append(list(message.content))
            role = message.role
    return turns


def _check_tool_calls(turns: Sequence[list[Block]]) -> None:
    seen: set[str] = set()
    open_ids: list[str] = []
    for number, turn in enumerate(turns):
        results = _results(number, turn, open_ids)
        # Only results in front count: text before a result makes it one that does not follow at once.
        leading = _leading_results(turn)
        if missing := [call for call in open_ids if call not in leading]:
            raise _unanswered(number - 1, missing)
        if len(set(results)) != len(results):
            raise ApiError(
                400, f"messages.{number}: each tool_use must have a single result. Found multiple `tool_result` blocks"
            )
        open_ids = []
        for index, block in enumerate(turn):
            if isinstance(block, ToolUseBlock):
                if block.id in seen:
                    raise ApiError(400, f"messages.{number}.content.{index}: `tool_use` ids must be unique")
                seen.add(block.id)
                open_ids.append(block.id)
    if open_ids:
        raise _unanswered(len(turns) - 1, open_ids)


def _results(number: int, turn: Sequence[Block], open_ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for index, block in enumerate(turn):
        if isinstance(block, ToolResultBlock):
            if block.tool_use_id not in open_ids:
                raise ApiError(
                    400,
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block.tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                    "previous message.",
                )
            found.append(block.tool_use_id)
    return found


def _leading_results(turn: Sequence[Block]) -> set[str]:
    leading: set[str] = set()
    for block in turn:
        if not isinstance(block, ToolResultBlock):
            break
        leading.add(block.tool_use_id)
    return leading


def _unanswered(number: int, ids: Sequence[str]) -> ApiError:
    return ApiError(
        400,
        f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
    )


def _check_thinking_first(turns: Sequence[list[Block]]) -> None:
    """The turn that tools still work for began with thinking, and so must it when it comes back; a prefill too."""
    number = len(turns) - 1
    if number % 2 == 0:
        number -= 1
        if number < 0 or not any(isinstance(block, ToolResultBlock) for block in turns[-1]):
            return
    while number >= 2 and any(isinstance(block, ToolResultBlock) for block in turns[number - 1]):
        number -= 2
    first = turns[number][0] if turns[number] else None
    if first is not None and not isinstance(first, ThinkingBlock | RedactedBlock):
        raise ApiError(
            400,
            f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first.type}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the "
            "lastmost set of `tool_use` and `tool_result` blocks).",
        )
