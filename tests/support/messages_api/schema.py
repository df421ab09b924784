"""The shape of requests: fields, types, patterns. What one field says about another is in `validate`.

The real API checks shapes with pydantic too, so the wording and the paths of its messages come out alike. Blocks and
tools that run on the provider's side are not modelled: they are refused as unknown.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _as_blocks(content: object) -> object:
    """A string is shorthand for one text block; an empty one is no content."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CacheControl(Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextBlock(Shape):
    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: list[dict[str, Any]] | None = None


class Base64Source(Shape):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"]
    data: Annotated[str, Field(min_length=1)]


class UrlSource(Shape):
    type: Literal["url"]
    url: str


class TextSource(Shape):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class ImageBlock(Shape):
    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]
    cache_control: CacheControl | None = None


class DocumentBlock(Shape):
    type: Literal["document"]
    source: Annotated[Base64Source | UrlSource | TextSource, Field(discriminator="type")]
    cache_control: CacheControl | None = None
    citations: dict[str, bool] | None = None
    context: str | None = None
    title: str | None = None


class ThinkingBlock(Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedBlock(Shape):
    type: Literal["redacted_thinking"]
    data: Annotated[str, Field(min_length=1)]


ToolId: TypeAlias = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]+$")]
ToolName: TypeAlias = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,128}$")]


class ToolUseBlock(Shape):
    type: Literal["tool_use"]
    id: ToolId
    name: ToolName
    input: dict[str, Any]
    cache_control: CacheControl | None = None


ResultContent: TypeAlias = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]


class ToolResultBlock(Shape):
    type: Literal["tool_result"]
    tool_use_id: ToolId
    content: Annotated[list[ResultContent], BeforeValidator(_as_blocks)] = []
    is_error: bool = False
    cache_control: CacheControl | None = None


Block: TypeAlias = Annotated[
    TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedBlock | ToolUseBlock | ToolResultBlock,
    Field(discriminator="type"),
]


class Message(Shape):
    role: str
    content: Annotated[list[Block], BeforeValidator(_as_blocks)]


class InputSchema(Shape):
    model_config = ConfigDict(extra="allow")
    type: Literal["object"]


class Tool(Shape):
    type: Literal["custom"] | None = None
    name: ToolName
    description: str | None = None
    input_schema: InputSchema
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    strict: bool | None = None


class ThinkingEnabled(Shape):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Shape):
    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingDisabled(Shape):
    type: Literal["disabled"]


class ToolChoice(Shape):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class OutputConfig(Shape):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: dict[str, Any] | None = None


class Metadata(Shape):
    user_id: Annotated[str, Field(max_length=256)] | None = None


class CountTokens(Shape):
    """The body of `POST /v1/messages/count_tokens`."""

    model: Annotated[str, Field(min_length=1)]
    messages: list[Message]
    system: Annotated[list[TextBlock], BeforeValidator(_as_blocks)] = []
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    thinking: Annotated[ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled, Field(discriminator="type")] | None = (
        None
    )
    cache_control: CacheControl | None = None
    output_config: OutputConfig | None = None


class CreateMessage(CountTokens):
    """The body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1)]
    stream: bool = False
    stop_sequences: list[Annotated[str, Field(min_length=1)]] = []
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
