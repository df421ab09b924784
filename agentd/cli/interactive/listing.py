"""The chat's commands that look: /sessions, /search, /stats, /documents, /profile. None changes a conversation."""

from agentd.cli import output, session_documents, session_search, session_stats
from agentd.cli import profile as profiles
from agentd.cli.failing import WrongUse
from agentd.cli.interactive import deleting, doing
from agentd.cli.interactive.chat import Chat
from agentd.cli.output import one_line
from agentd.cli.rows import row_of
from agentd.cli.table import listed
from agentd.protocol import ListStatus

LISTS: dict[str, ListStatus] = {"list": "active", "history": "archived", "background": "background", "all": "all"}
ACTIONS = (*LISTS, "name", "archive", "delete")
LIMIT, MOST = 20, 1000
SEARCH_LIMIT, MOST_HITS = 20, 200


async def sessions(chat: Chat, words: list[str]) -> None:
    """``/sessions [list|history|background] [--limit N] [--search TEXT]``, and Amazon Q's name and archive."""
    action, *rest = words or ["list"]
    if action.startswith("--"):
        action, rest = "list", words
    if action == "name":
        await doing.name(chat, rest)
    elif action == "archive":
        await doing.archive(chat, rest)
    elif action == "delete":
        await deleting.delete(chat, rest)
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
            limit = min(MOST, doing.number(next(rest, ""), "--limit"))
        elif word == "--search":
            query.append(next(rest, ""))
        else:
            query.append(word)
    return limit, " ".join(query) or None


async def search(chat: Chat, words: list[str]) -> None:
    """``/search WORDS [--limit N]``"""
    query, limit = list[str](), SEARCH_LIMIT
    rest = iter(words)
    for word in rest:
        if word == "--limit":
            limit = min(MOST_HITS, doing.number(next(rest, ""), "--limit"))
        elif word.startswith("--"):
            raise WrongUse(f"/search has no option {word}", "/search parse config --limit 5")
        else:
            query.append(word)
    asked = " ".join(query)
    if not asked.strip():
        raise WrongUse("/search needs words to look for", "/search parse config")
    answer = (await chat.client.search(asked, limit=limit)).dump()
    for line in session_search.found(answer.get("hits", []), output.width()):
        output.line(line)
    for told in session_search.remarks(answer, asked):
        output.note(told)


async def stats(chat: Chat, words: list[str]) -> None:
    """Of this session; ``/stats all``: of the project."""
    whole = chat.session is None or words == ["all"]
    session = None if whole or chat.session is None else chat.session.id
    answer = (await chat.client.stats(session)).dump()
    for line in session_stats.shown(answer, output.width(), whole=whole):
        output.line(line)
    for told in session_stats.remarks(answer):
        output.note(told)


async def documents(chat: Chat, words: list[str]) -> None:
    """``/documents [new|open NAME]``."""
    session = doing.here(chat)
    action, *names = words or ["list"]
    name = " ".join(names)
    if action == "list":
        answer = (await chat.client.documents(session.id)).dump()
        for line in session_documents.lines(answer):
            output.line(line)
        output.note(f"In {session_documents.path_of(str(answer['uri']))}")
    elif action not in ("new", "open") or not name:
        raise WrongUse("/documents lists them", "/documents new NAME, /documents open NAME")
    elif action == "new":
        made = await chat.client.create_document(session.id, name)
        output.line(session_documents.path_of(made.uri))
        if session_documents.editor():
            session_documents.opened(session_documents.path_of(made.uri))
    else:
        for document in (await chat.client.documents(session.id)).documents:
            if document.name in (name, f"{name}.md"):
                session_documents.opened(session_documents.path_of(document.uri))
                return
        raise WrongUse(f"This session has no document '{name}'", "/documents lists those that there are.")


async def profile(chat: Chat, words: list[str]) -> None:
    """Show the profiles, or take one: for this session, or for the next."""
    if not words:
        answer = (await chat.client.profiles()).dump()
        for line in profiles.lines(answer.get("profiles", []), output.width()):
            output.line(line)
        current = (chat.session.profile if chat.session else None) or chat.profile
        output.note(f"Now: {one_line(current or 'none')}. Change it with /profile NAME.")
        return
    chosen = words[0]
    if chat.session is not None:
        chat.session = await chat.client.update(chat.session.id, profile=chosen)
    elif chosen not in (known := [info.name for info in (await chat.client.profiles()).profiles]):
        raise WrongUse(
            f"No such profile: '{chosen}'", f"Known: {', '.join(known)}." if known else "There are none yet."
        )
    else:
        chat.profile = chosen
    output.line(f"Profile: {chosen}")
