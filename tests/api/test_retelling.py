"""Whatever is set after whatever, it is what is read afterwards; and setting what was read writes nothing."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentd import clock
from agentd.conversation import difference, whole
from agentd.core.metadata import Metadata
from agentd.core.records import mark_draft
from agentd.core.role_messages import check_messages, to_messages
from agentd.store.memory import MemoryStore

TEXT = st.sampled_from(["a", "b", ""])
SYSTEM = st.lists(st.builds(lambda text: {"role": "system", "content": text}, st.sampled_from(["s", "t"])), max_size=2)
MESSAGE = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXT),
    st.builds(lambda text: {"role": "assistant", "content": text}, TEXT),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "c", "content": text}, TEXT),
    st.just({"role": "assistant", "content": "", "tool_calls": [{"id": "c", "name": "ls", "arguments": {}}]}),
    st.builds(lambda text: {"role": "user", "content": text, "timestamp": "2024-01-01T12:00:00Z"}, TEXT),
)
MESSAGES = st.builds(lambda system, spoken: [*system, *spoken], SYSTEM, st.lists(MESSAGE, max_size=5))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.one_of(MESSAGES, st.just("compact"), st.just("tail"), st.just("more")), min_size=1, max_size=5))
def test_what_was_set_last_is_read(steps: list[Any]) -> None:
    asyncio.run(_set_all(steps))


async def _set_all(steps: list[Any]) -> None:
    store = MemoryStore()
    await store.start()
    log = await store.create(Metadata(id="x", created=clock.now(), last_active=clock.now()), ())
    for step in steps:
        known = await whole(log)
        told = to_messages(known.system, known.summary, known.turns)
        if step == "compact":
            if log.last is not None and known.turns:
                await log.append([mark_draft("compact", log.last.number, summary="So far: all.")])
            continue
        if step == "tail":
            messages = told[len(told) // 2 :]
        elif step == "more":
            messages = [*told, {"role": "user", "content": "More"}]
        else:
            messages = step
        await log.append((await difference(log, log.last_turn + 1, check_messages(messages))).drafts)
        after = await whole(log)
        assert to_messages(after.system, after.summary, after.turns) == check_messages(messages)
        assert (await difference(log, log.last_turn + 1, check_messages(messages))).drafts == ()
    await store.close()
