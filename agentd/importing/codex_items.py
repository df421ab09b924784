"""What single records of a Codex rollout say: pure functions over one payload."""

import re
from typing import Any

from agentd.importing import values as v
from agentd.importing.values import Json
from agentd.protocol import ToolStatus, Usage

_TAGGED = re.compile(r"<([A-Za-z][A-Za-z0-9_ -]{0,60})>.*</\1>\s*", re.DOTALL)
_INJECTED = ("# AGENTS.md instructions", "<user_instructions>", "<environment_context>", "<INSTRUCTIONS>")
_IMAGE_TAG = re.compile(r"</?image[^<>]{0,200}>")
_EXIT = re.compile(r"(?:^|\n)(?:Exit code:|Process exited with code) (-?\d{1,6})\b")
_FAILED = ("failed to parse function arguments", "unsupported call", "aborted", "exec_command failed")
CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"})
OUTPUTS = frozenset(
    {"function_call_output", "custom_tool_call_output", "tool_search_output", "local_shell_call_output"}
)
ITEMS = CALLS | OUTPUTS | {"message", "reasoning", "agent_message", "ghost_snapshot", "compaction"}


def is_injected(text: str) -> bool:
    """Whether Codex put this text into the conversation as if the user had said it."""
    bare = text.strip()
    return bare.startswith(_INJECTED) or bool(_TAGGED.fullmatch(bare + "\n"))


def prompt_text(text: str) -> str:
    """A prompt as both streams have it: without the tags around images."""
    return _IMAGE_TAG.sub("", text).strip()


def call_of(payload: Json) -> tuple[str | None, str, Json]:
    """Id, name and arguments of a call."""
    kind = payload.get("type")
    call_id = v.first_string(payload, "call_id", "id")
    if kind == "local_shell_call":
        action = payload.get("action", payload.get("command"))
        return call_id, "local_shell", v.arguments(action)
    if kind == "web_search_call":
        return call_id, "web_search", v.arguments(payload.get("action"))
    name = v.string(payload.get("name")) or ("tool_search" if kind == "tool_search_call" else "unknown")
    if namespace := v.string(payload.get("namespace")):
        name = f"{namespace}.{name}"
    given = payload.get("arguments", payload.get("input"))
    return call_id, name, v.arguments(given)


def output_of(payload: Json) -> tuple[Any, ToolStatus]:
    """A call's output, as content, and how it went: a string (JSON in old versions), blocks, or an object."""
    given = payload.get("output", payload.get("tools"))
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            parsed = v.parse_json(given.encode("utf-8", "surrogatepass"))
        except ValueError:
            parsed = None
        if isinstance(parsed, dict) and isinstance(parsed.get("output"), str):
            code = v.mapping(parsed.get("metadata")).get("exit_code")
            return parsed["output"], "failed" if isinstance(code, int) and code != 0 else "completed"
    success: object = payload.get("success")
    if isinstance(given, dict):
        success = given.get("success")
        given = given.get("content", given.get("body", given))
    text = given if isinstance(given, str) else v.block_text(given)
    exited = _EXIT.search(text[:2000])
    failed = success is False or (exited is not None and exited.group(1) != "0") or text.startswith(_FAILED)
    return given, "failed" if failed else "completed"


def reasoning_of(payload: Json) -> str:
    """What can be read of the model's thinking; the rest is sealed."""
    own = v.block_text(payload.get("content"))
    return own or "\n\n".join(v.block_text(part) for part in v.mappings(payload.get("summary")))


def usage_of(payload: Json) -> Usage | None:
    """Of a token_count event: the last call's. Input includes what came from the cache."""
    last = v.mapping(v.mapping(payload.get("info")).get("last_token_usage"))
    if not last:
        return None
    cached = v.count(last.get("cached_input_tokens"))
    return Usage(
        input_tokens=max(0, v.count(last.get("input_tokens")) - cached),
        output_tokens=v.count(last.get("output_tokens")),
        cache_read_tokens=cached,
    )
