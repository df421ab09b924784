"""The chat's /delete: says what would go, asks, and leaves the session if it is the one that goes."""

from agentd.cli import output
from agentd.cli.interactive import doing
from agentd.cli.interactive.chat import Chat
from agentd.cli.interactive.picker import agreed
from agentd.cli.rows import counted, size
from agentd.cli.target import title


async def delete(chat: Chat, words: list[str]) -> None:
    asked = " ".join(words) or doing.here(chat).id
    session = (await chat.client.show(asked)).session
    would = await chat.client.delete(session.id, dry_run=True)
    about = f"{counted(session.message_count, 'message')}, {size(would.bytes)}"
    if not await agreed(f"Delete '{title(session)}' ({about}) for good?"):
        output.note("Nothing was deleted.")
        return
    chat.deleted.add(session.id)
    done = await chat.client.delete(session.id)
    output.line(f"Deleted '{title(session)}', which freed {size(done.bytes)}.")
    if chat.session is not None and chat.session.id == session.id:
        chat.session, chat.name = None, None
