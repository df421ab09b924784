"""What a model is asked: the conversation as it counts now, the session's system prompt, and the turn that runs."""

from agentd.context import readme_head
from agentd.core.exchange import ModelTraits, Request
from agentd.core.history import build_request
from agentd.core.live import LiveTurn
from agentd.core.readme import first_words
from agentd.protocol import ContextText, Notice, Turn
from agentd.session import OpenSession
from agentd.store.api import Conversation
from agentd.workspace import Workspace

BYTES_A_TOKEN = 6
ABOUT = 420
"""Characters of the README that the embedded model is shown."""
SYSTEM = (
    "You are a coding assistant that people reach from their editor. Be brief and exact, answer in Markdown, and say "
    "so when you do not know. The project is at {root}."
)
SYSTEM_EMBEDDED = "You are a concise assistant for a software project."
SYSTEM_PROJECT = "The project is at {root}."


async def request_for(workspace: Workspace, session: OpenSession, live: LiveTurn, traits: ModelTraits) -> Request:
    """The request that continues the running turn."""
    before = await conversation_before(session, live, traits)
    return build_request(
        traits,
        before.turns,
        await _shown(workspace, live, traits),
        system=[*await system_texts(workspace, session, traits), *before.system],
        summary=before.summary,
        max_tokens=workspace.settings.max_tokens,
        thinking=workspace.settings.thinking,
    )


async def conversation_before(session: OpenSession, live: LiveTurn, traits: ModelTraits) -> Conversation:
    """What counts of the conversation before the running turn, as much as the model's window may hold."""
    conversation = await session.log.conversation(traits.context_window * BYTES_A_TOKEN)
    left_out = {live.number, live.start.retry_of}
    # A turn that compacted has the summary as its text: it goes along as the summary, once.
    turns = (turn for turn in conversation.turns if turn.number not in left_out and turn.compacted is None)
    return Conversation(tuple(turns), conversation.system, conversation.summary)


async def system_texts(workspace: Workspace, session: OpenSession, traits: ModelTraits) -> list[str]:
    """The system prompt: of the agent or profile that the session has, else ours."""
    own = await _own_system(workspace, session)
    if own:
        return [own] if traits.embedded else [own, SYSTEM_PROJECT.format(root=workspace.root)]
    return [SYSTEM_EMBEDDED if traits.embedded else SYSTEM.format(root=workspace.root)]


async def _own_system(workspace: Workspace, session: OpenSession) -> str | None:
    kept = session.metadata.agent_overlay.get("system")
    if isinstance(kept, str) and kept.strip():
        return kept
    name = session.metadata.profile
    if name is None:
        return None
    found = (await workspace.profiles.all()).profiles.get(name)
    if found is None:
        message = f"The profile '{name}' is gone or cannot be read: this turn goes on without its system prompt."
        workspace.publish(session, Notice(kind="profile", message=message))
        return None
    return found.system or None


async def _shown(workspace: Workspace, live: LiveTurn, traits: ModelTraits) -> Turn:
    """The running turn as the model is shown it.

    The embedded model cannot look at the project, so the first words of its README go before the prompt: so small a
    model heeds what stands beside the question, and hardly what stands in the system prompt.
    """
    turn = live.snapshot()
    head = await readme_head(workspace.root) if traits.embedded else None
    about = first_words(head, ABOUT) if head else None
    if not about:
        return turn
    prompt, *rest = turn.items
    readme = ContextText(title=f"From the README of this project, {workspace.root.name}", text=about)
    prompt = prompt.model_copy(update={"context": (readme, *(prompt.context or ()))})
    return turn.model_copy(update={"items": (prompt, *rest)})
