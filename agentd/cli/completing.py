"""What a shell's completion is offered for a session: names and short ids, from the daemon that runs."""

import asyncio
from typing import Any

from agentd.cli.asking import given, if_running
from agentd.cli.rows import rows_of
from agentd.client.dial import Address
from agentd.client.link import Link
from agentd.errors import AgentdError

LIMIT = 100
PATIENCE = 1.0
"""Seconds: a person waits with a finger on Tab."""


def sessions(incomplete: str) -> list[tuple[str, str]]:
    """What the beginning of a name or of an id may become, and what it is about."""

    async def ask(link: Link) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            answer = given(await link.request("agentd/session/list", {"status": "all", "limit": LIMIT}))
        found: list[Any] = answer.get("sessions", [])
        return found

    try:
        rows = rows_of(if_running(Address(), ask) or [])
    except (AgentdError, OSError, TimeoutError):
        return []
    offered = [(row.title if row.name else row.short, row.said[:60]) for row in rows]
    offered += [(row.short, row.title) for row in rows if row.name and incomplete]
    return [(value, about) for value, about in offered if value.casefold().startswith(incomplete.casefold())]
