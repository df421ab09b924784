"""Names that sessions get by themselves, after a turn that went well. Never over a name that a person gave."""

import logging
from collections.abc import Mapping

from agentd.core.exchange import BlockDelta, BlockStarted, Message, Request, TextBlock, TokensUsed
from agentd.core.fitting import cut_middle
from agentd.core.naming import ASK, from_reply, from_words
from agentd.errors import AgentdError
from agentd.protocol import Turn, Usage
from agentd.session import OpenSession, prompt_of
from agentd.workspace import Workspace

logger = logging.getLogger(__name__)
PATIENCE = 30.0
"""Seconds for the model to name a session. After that it is named from the prompt's words."""
SHOWN = 2000
"""Characters of the prompt and of the reply that the model is shown."""
REPLY_TOKENS = 1000
"""Room for models that think before they answer."""


async def name_session(workspace: Workspace, session_id: str, turn: Turn, environment: Mapping[str, str]) -> None:
    """Name a session that has no name, from this turn of it. Never raises: a session goes on without a name."""
    try:
        async with workspace.using(session_id) as session:
            name, usage = await _name(workspace, session, turn, environment)
            if name is None and usage is None:
                return
            async with session.order:
                known = session.metadata
                if usage is not None:
                    usage = known.usage.plus(usage) if known.usage else usage
                unnamed = known.name is None and name is not None
                named = {"name": name, "name_source": "auto"} if unnamed else {}
                counted = {"usage": usage} if usage is not None else {}
                await workspace.save(session, **named, **counted)
    except AgentdError as error:
        logger.info("session %s got no name: %s", session_id[:8], error.message)


async def _name(
    workspace: Workspace, session: OpenSession, turn: Turn, environment: Mapping[str, str]
) -> tuple[str | None, Usage | None]:
    prompt = prompt_of(turn) or ""
    words, how = from_words(prompt), workspace.settings.naming
    traits = workspace.models.traits(session.metadata.model) if session.metadata.model else None
    if how == "words" or traits is None or traits.embedded:
        return words, None
    reply = next((item.text for item in turn.items if item.kind == "text" and item.text), "")
    said = f"{ASK}\n\nThe message:\n{cut_middle(prompt, SHOWN)}\n\nThe answer began:\n{cut_middle(reply, SHOWN)}"
    message = Message("user", (TextBlock(said),))
    request = Request(model=traits.id, messages=(message,), max_tokens=REPLY_TOKENS)
    named, usage = await _asked(workspace, request, environment)
    return named or words, usage


async def _asked(
    workspace: Workspace, request: Request, environment: Mapping[str, str]
) -> tuple[str | None, Usage | None]:
    """The model's name for it, and what that took. Stopped when the daemon ends."""
    texts: list[str] = []
    usage: Usage | None = None
    is_text = False
    model = workspace.models.find(request.model)
    with workspace.tasks.aside(PATIENCE):
        try:
            async for event in model.stream(request, environment):
                match event:
                    case BlockStarted(kind):
                        is_text = kind == "text"
                    case BlockDelta(text) if is_text:
                        texts.append(text)
                    case TokensUsed(used):
                        usage = workspace.prices.priced(used, model.traits.id, model.traits.provider)
        except AgentdError as error:
            logger.info("the model gave no name: %s", error.message)
            return None, usage
        return from_reply("".join(texts)), usage
    return None, usage
