"""What the chat's commands do. Each takes the chat and the words after the command."""

import asyncio
from pathlib import Path

from agentd.cli import output
from agentd.cli.failing import WrongUse
from agentd.cli.interactive.chat import Chat
from agentd.cli.interactive.picker import choose_session, choose_turn
from agentd.cli.output import one_line
from agentd.cli.rows import counted, lineage, local, row_of, short_id, size
from agentd.cli.session_change import tagged
from agentd.cli.target import title
from agentd.protocol import ExportFormat, Mode, Session

FORMATS: dict[str, ExportFormat] = {"agentd": "agentd", "json": "json", "markdown": "markdown", "html": "html"}
ENDINGS: dict[ExportFormat, str] = {"agentd": "agentd", "json": "json", "markdown": "md", "html": "html"}
MODES: dict[str, Mode] = {"plan": "plan", "ask": "ask", "edit": "edit"}


def here(chat: Chat) -> Session:
    """The session that the chat is in."""
    if chat.session is None:
        raise WrongUse("There is no session yet: it is made at your first prompt", "Or /resume an earlier one.")
    return chat.session


async def status(chat: Chat, _words: list[str]) -> None:
    if chat.session is None:
        output.line("No session yet: it is made at your first prompt.")
        return
    session = (await chat.client.show(chat.session.id)).session
    saving = (await chat.client.status()).saving
    row = row_of(session.dump())
    lines = [
        ("Session ID", title(session)),
        ("Messages", str(session.message_count)),
        ("Created", local(session.created)),
        ("Last Activity", local(session.last_active)),
        ("Saved", "Yes" if saving else "No: writing fails, see 'agentd doctor'"),
        ("Full ID", session.id),
        ("Model", session.model or "the default"),
        ("Profile", one_line(session.profile or "")),
        ("Mode", session.mode),
        ("Tags", " ".join(f"#{one_line(tag)}" for tag in session.tags)),
        ("Forked from", lineage(row)),
        ("Last Turn", f"{row.broken_off} (/retry sends it again)" if row.broken_off else ""),
    ]
    output.line("Current Session Status:")
    for label, value in lines:
        if value:
            output.line(output.wrapped(f"   {label}: {value}", indent="      "))


def number(text: str, what: str) -> int:
    if not text.isdecimal() or not int(text):
        raise WrongUse(f"{what} needs a number, not '{text}'")
    return int(text)


async def name(chat: Chat, words: list[str]) -> None:
    if len(words) < 2:
        raise WrongUse("/sessions name needs an id and a name", '/sessions name 8a3f2b1c "Auth Feature Work"')
    session = await chat.client.rename(words[0], " ".join(words[1:]))
    _renamed(chat, session)


async def rename(chat: Chat, words: list[str]) -> None:
    name = " ".join(words)
    if chat.session is None and name.strip():
        chat.name = name.strip()
        output.note(f"The next session is named '{chat.name}'.")
        return
    _renamed(chat, await chat.client.rename(here(chat).id, name))


def _renamed(chat: Chat, session: Session) -> None:
    if chat.session is not None and session.id == chat.session.id:
        chat.session = session
    output.line(f"Session {short_id(session.id)} is now named '{title(session)}'")


async def new(chat: Chat, words: list[str]) -> None:
    name = " ".join(words).strip()
    if not name:
        await chat.enter(None)
        output.line("New session: it is made at your first prompt.")
        return
    if await chat.exists(name):
        raise WrongUse(f"A session named '{name}' exists", f"Go to it with /resume {name}, or choose another name.")
    made = await chat.client.new(name, model=chat.model, mode=chat.mode or "ask", profile=chat.profile)
    await chat.enter((await chat.client.resume(made.id, limit=0)).session)
    output.line(f"Created new session: '{name}'")


async def resume(chat: Chat, words: list[str]) -> None:
    asked = " ".join(words) or await choose_session(chat.client)
    if asked:
        await chat.open(asked)


async def fork(chat: Chat, words: list[str]) -> None:
    session = here(chat)
    turn: int | None
    if words:
        if not words[0].isdecimal():
            raise WrongUse(f"TURN must be a number, not '{words[0]}'", "/fork [TURN] [NAME]; /fork alone: choose.")
        turn, name = int(words[0]), " ".join(words[1:])
    else:
        turn, name = await choose_turn(chat.client, session.id), ""
        if turn is None:
            return
    if name and await chat.exists(name):
        raise WrongUse(f"A session named '{name}' exists", "Choose another name, or none.")
    made = await chat.client.fork(session.id, turn, name or None)
    after = made.forked_from.turn if made.forked_from else turn
    await chat.enter((await chat.client.resume(made.id, limit=0)).session)
    output.line(f"Forked from '{title(session)}' at turn {after}: now in '{title(made)}'")


async def archive(chat: Chat, words: list[str]) -> None:
    session = await chat.client.archive(" ".join(words) or here(chat).id)
    output.line(f"Archived session '{title(session)}'. Back with: /restore {short_id(session.id)}")
    if chat.session is not None and session.id == chat.session.id:
        await chat.enter(None)


async def restore(chat: Chat, words: list[str]) -> None:
    if not words:
        raise WrongUse("/restore needs a session", "/sessions history lists the archived ones.")
    session = await chat.client.restore(" ".join(words))
    output.line(f"Restored session '{title(session)}'. Go to it with: /resume {short_id(session.id)}")


async def clear(chat: Chat, words: list[str]) -> None:
    session = here(chat)
    kept = [word for word in words if word != "--keep"]
    keep = number(kept[0], "/clear --keep") if kept else None
    if keep is not None and session.turn_count <= keep:
        output.line(f"Nothing to clear: this session has {counted(session.turn_count, 'turn')}.")
        return
    chat.session = await chat.client.clear(session.id, keep=keep)
    rest = f" but the last {keep}" if keep else ""
    output.line(f"Earlier turns{rest} are no longer sent to the model. They stay on disk.")


async def compact(chat: Chat, words: list[str]) -> None:
    """A turn of its own: it is shown as it streams, and Ctrl-C stops it."""
    session = here(chat)
    kept = [word for word in words if word != "--keep"]
    keep = number(kept[0], "/compact --keep") if kept else None
    try:
        chat.session = await chat.client.compact(session.id, keep_turns=keep)
    except asyncio.CancelledError:
        await chat.client.interrupt(session.id)
        raise
    if chat.session.last_turn in (None, "completed"):
        output.line("The summary stands in for the earlier turns from now on. They stay on disk.")


async def tag(chat: Chat, words: list[str]) -> None:
    session = here(chat)
    if words:
        session = chat.session = await chat.client.update(session.id, tags=tagged(session.tags, words))
    output.line(
        " ".join(f"#{one_line(name)}" for name in session.tags) or "No tags. /tag +a adds one, /tag -a removes it."
    )


async def describe(chat: Chat, words: list[str]) -> None:
    session = here(chat)
    if words:
        session = chat.session = await chat.client.update(session.id, description=" ".join(words))
    output.line(one_line(session.description or "") or "No description. Give one: /describe TEXT")


async def background(chat: Chat, words: list[str]) -> None:
    """The turn that is watched goes to the background; with words: a prompt whose turn is not waited for."""
    if words:
        await chat.say_in_background(" ".join(words))
    elif chat.watched is None:
        raise WrongUse("No turn is running here", "/background PROMPT starts one; Ctrl-\\ sends a running one there.")
    else:
        place = chat.watched
        chat.detached.add(place)
        turn = await chat.client.detach(place[0])
        chat.watched = None
        output.line(f"Turn {turn.number} runs on in the background. /resume {short_id(place[0])} shows it.")


async def export(chat: Chat, words: list[str]) -> None:
    """``/export [FORMAT] [PATH] [--redact]``: a file in the current folder, if no other is named."""
    session = here(chat)
    redact = "--redact" in words
    rest = [word for word in words if word != "--redact"]
    kind = FORMATS.get(rest[0]) if rest else None
    kind, rest = (kind, rest[1:]) if kind else ("markdown", rest)
    path = _new_file(" ".join(rest), session, kind)
    made = await chat.client.export(session.id, kind, redact=redact, path=str(path))
    output.line(f"Exported to {path} ({size(made.bytes)})")
    for removed in made.redacted:
        output.note(f"Removed: {removed.count} × {removed.kind}")


def _new_file(asked: str, session: Session, kind: ExportFormat) -> Path:
    """Absolute: the daemon's current folder is another one."""
    path = Path(asked or f"session-{short_id(session.id)}.{ENDINGS[kind]}").expanduser().absolute()
    if path.exists():
        raise WrongUse(f"{path} exists", "Name another file: /export FORMAT PATH")
    return path


async def retry(chat: Chat, _words: list[str]) -> None:
    await chat.retry(here(chat))


async def model(chat: Chat, words: list[str]) -> None:
    known = await chat.client.models()
    if not words:
        current = (chat.session.model if chat.session else None) or chat.model or known.default
        for info in known.models:
            mark = "*" if info.id == current else " "
            output.line(f"{mark} {info.id}  {output.styled(info.reason or info.name, 'dim')}")
        output.note(f"Now: {current}. Change it with /model ID; any id of the Messages API goes.")
        return
    if chat.session is None:
        chat.model = words[0]
    else:
        chat.session = await chat.client.update(chat.session.id, model=words[0])
    output.line(f"Model: {words[0]}")


async def mode(chat: Chat, words: list[str]) -> None:
    if not words:
        output.line(f"Mode: {chat.session.mode if chat.session else chat.mode or 'ask'} (plan, ask, edit)")
        return
    chosen = MODES.get(words[0])
    if chosen is None:
        raise WrongUse(f"No such mode: '{words[0]}'", "Known: plan (changes nothing), ask (asks before it does), edit.")
    if chat.session is None:
        chat.mode = chosen
    else:
        chat.session = await chat.client.update(chat.session.id, mode=chosen)
    output.line(f"Mode: {chosen}")
