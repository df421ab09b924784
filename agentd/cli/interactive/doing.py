"""What the chat's commands do. Each takes the chat and the words after the command."""

from agentd.cli import output
from agentd.cli.failing import WrongUse
from agentd.cli.interactive.chat import Chat
from agentd.cli.interactive.picker import choose_session, choose_turn
from agentd.cli.output import one_line
from agentd.cli.rows import local, row_of, short_id
from agentd.cli.table import listed
from agentd.cli.target import title
from agentd.protocol import ListStatus, Mode, Session

MODES: dict[str, Mode] = {"plan": "plan", "ask": "ask", "edit": "edit"}
LISTS: dict[str, ListStatus] = {"list": "active", "history": "archived", "background": "background"}
ACTIONS = (*LISTS, "name", "archive")
LIMIT = 20


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
    known = short_id(session.id) + (f" ({one_line(session.name)})" if session.name else "")
    lines = [
        ("Session ID", known),
        ("Messages", str(session.message_count)),
        ("Created", local(session.created)),
        ("Last Activity", local(session.last_active)),
        ("Saved", "Yes" if saving else "No: writing fails, see 'agentd doctor'"),
        ("Model", session.model or "the default"),
        ("Mode", session.mode),
    ]
    output.line("Current Session Status:")
    for label, value in lines:
        output.line(f"   {label}: {value}")


async def sessions(chat: Chat, words: list[str]) -> None:
    action, *rest = words or ["list"]
    if action == "name":
        await _name(chat, rest)
    elif action == "archive":
        await _archive(chat, rest[0] if rest else here(chat).id)
    elif action in LISTS:
        await _list(chat, LISTS[action], rest)
    else:
        raise WrongUse(f"/sessions {action} is not known", f"Known: {', '.join(ACTIONS)}.")


async def _list(chat: Chat, which: ListStatus, words: list[str]) -> None:
    limit, query = _filters(words)
    found = await chat.client.sessions(status=which, limit=limit, query=query)
    if not found.sessions:
        output.note(f"No {which} sessions." if query is None else f"No session matches '{query}'.")
    for line in listed([row_of(session.dump()) for session in found.sessions], output.width()):
        output.line(line)
    if found.total > len(found.sessions):
        output.note(f"{len(found.sessions)} of {found.total}. More with --limit N, or --search TEXT.")


def _filters(words: list[str]) -> tuple[int, str | None]:
    """``--limit N --search TEXT``, as Amazon Q's users type them; other words are searched for."""
    limit, query = LIMIT, list[str]()
    rest = iter(words)
    for word in rest:
        if word == "--limit":
            limit = _number(next(rest, ""), "--limit")
        elif word == "--search":
            query.append(next(rest, ""))
        else:
            query.append(word)
    return limit, " ".join(query) or None


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or not int(text):
        raise WrongUse(f"{what} needs a number, not '{text}'")
    return int(text)


async def _name(chat: Chat, words: list[str]) -> None:
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
    made = await chat.client.new(name, model=chat.model, mode=chat.mode or "ask", profile=chat.wish.profile)
    await chat.enter((await chat.client.resume(made.id, limit=0)).session)
    output.line(f"Created new session: '{name}'")


async def resume(chat: Chat, words: list[str]) -> None:
    asked = " ".join(words) or await choose_session(chat.client)
    if asked:
        await chat.open(asked)


async def fork(chat: Chat, words: list[str]) -> None:
    session = here(chat)
    if words and words[0].isdecimal():
        turn: int | None = int(words[0])
        name = " ".join(words[1:])
    elif words:
        turn, name = None, " ".join(words)
    else:
        turn, name = await choose_turn(chat.client, session.id), ""
        if turn is None:
            return
    made = await chat.client.fork(session.id, turn, name or None)
    after = made.forked_from.turn if made.forked_from else turn
    await chat.enter((await chat.client.resume(made.id, limit=0)).session)
    output.line(f"Forked from '{title(session)}' at turn {after}: now in '{title(made)}'")


async def archive(chat: Chat, words: list[str]) -> None:
    await _archive(chat, " ".join(words) or here(chat).id)


async def _archive(chat: Chat, asked: str) -> None:
    session = await chat.client.archive(asked)
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
    keep = _number(kept[0], "/clear --keep") if kept else None
    chat.session = await chat.client.clear(session.id, keep=keep)
    rest = f" but the last {keep}" if keep else ""
    output.line(f"Earlier turns{rest} are no longer sent to the model. They stay on disk.")


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
