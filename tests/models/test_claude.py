"""Claude's adapter: what goes out, what comes back, and how connections live. The real SDK, the strict server."""

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
from tests.models.conftest import KEY, MakeCatalog, ask, collect
from tests.support.messages_api import (
    MessagesApi,
    Redacted,
    Reply,
    Rules,
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


@pytest.fixture
def claude(make_catalog: MakeCatalog) -> Model:
    return make_catalog(Settings()).find("claude-sonnet-5-5")


async def test_a_reply_comes_as_events_in_order(claude: Model) -> None:
    reply = Reply((Text(("Hel", "lo")),), usage=Usage(input_tokens=7, output_tokens=2, cache_read_input_tokens=3))
    async with MessagesApi([reply]) as api:
        events = await collect(claude, ask(), {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url})
    assert [event for event in events if not isinstance(event, TokensUsed)] == [
        BlockStarted("text"),
        BlockDelta("Hel"),
        BlockDelta("lo"),
        BlockEnded(),
        Stopped("end_turn"),
    ]
    used = [event.usage for event in events if isinstance(event, TokensUsed)][-1]
    assert (used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens) == (7, 2, 3, 0)
