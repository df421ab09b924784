"""Which session a chat goes to, and what to say about that."""

import re
from dataclasses import dataclass

from agentd.cli import output
from agentd.cli.output import one_line
from agentd.cli.rows import counted, short_id
from agentd.cli.wish import Wish
from agentd.client.typed import Client
from agentd.errors import SessionArchived, SessionNotFound
from agentd.protocol import ResumeResult, Session

FULL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[a-z0-9-]{1,32}-[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class Target:
    """``opened``: an existing session; else a new one, called ``name`` if that is given."""

    opened: ResumeResult | None = None
    name: str | None = None

    @property
    def session(self) -> Session | None:
        return self.opened.session if self.opened else None


def title(session: Session) -> str:
    return one_line(session.name) if session.name else short_id(session.id)


def resumed(session: Session) -> str:
    return f"Resumed session: '{title(session)}' ({counted(session.message_count, 'message')})"


async def find(client: Client, wish: Wish, *, turns: int = 0) -> Target:
    """Opens what the wish names; ``turns`` of its history come with it."""
    if wish.resume is not None:
        return _opened(await client.resume(wish.resume, limit=turns))
    if wish.latest:
        return await _latest(client, turns)
    if wish.session is None:
        return Target()
    try:
        return _opened(await client.resume(wish.session, limit=turns))
    except SessionNotFound:
        if FULL_ID.fullmatch(wish.session):  # nobody calls a session so: it was meant as an id
            raise
        return Target(name=wish.session)


async def _latest(client: Client, turns: int) -> Target:
    try:
        return _opened(await client.resume(None, limit=turns))
    except SessionNotFound:
        output.note("No session to continue yet: starting a new one.")
        return Target()


def _opened(result: ResumeResult) -> Target:
    if result.session.status == "archived":  # said before anything else is: the prompt would be refused
        raise SessionArchived(result.session.id)
    output.note(resumed(result.session))
    return Target(opened=result)
