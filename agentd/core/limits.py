"""How much one request may bring. Pure."""

from agentd.errors import TooLarge

PROMPT_LIMIT = 1_000_000
"""Characters of a prompt: more than the largest models read, and little enough to be kept and shown everywhere."""

CONTEXT_LIMIT = 256 * 1024
"""Characters of one file, or of one text, that travel with a prompt."""


def check_prompt(prompt: str) -> None:
    """Raises ``TooLarge`` for a prompt that nobody typed, with what to do instead."""
    if len(prompt) > PROMPT_LIMIT:
        raise TooLarge(
            f"The prompt has {len(prompt):,} characters; the limit is {PROMPT_LIMIT:,}. "
            "Put it in a file and mention it with @path.",
            characters=len(prompt),
            limit=PROMPT_LIMIT,
        )
