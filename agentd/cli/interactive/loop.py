"""The interactive chat: ask for a line, do it, until the person leaves."""

import asyncio
import contextlib
import os
import signal

from prompt_toolkit.patch_stdout import patch_stdout

from agentd import paths
from agentd.cli import output
from agentd.cli.failing import OK, WrongUse, explain
from agentd.cli.interactive import commands
from agentd.cli.interactive.chat import Chat
from agentd.cli.interactive.completing import Known
from agentd.cli.interactive.prompting import PromptLine
from agentd.cli.interactive.staying import Staying
from agentd.cli.wish import Wish
from agentd.client.failures import ConnectionLost
from agentd.client.typed import Client
from agentd.errors import AgentdError, SessionNotFound


async def interactive(wish: Wish) -> int:
    """Chat as wished until the person leaves; the exit code."""
    signal.signal(signal.SIGQUIT, lambda *_: None)  # it means something only while a turn streams
    async with Client(wish.place) as client:
        chat = Chat(client, wish, model=wish.model, mode=wish.mode, profile=wish.profile)
        if wish.resume is not None:
            await client.show(wish.resume)  # one that is not there is all there is to say
        output.note("agentd: /help lists the commands, Ctrl-D leaves.")
        project = paths.project_dir(paths.data_dir(os.environ), wish.place.resolved())
        staying = Staying(chat, project)  # keeps events from now on: none is missed between opening and watching
        await _begin(chat)
        with staying:
            await _converse(chat, staying)
        chat.leaving = True
    told = chat.farewell()
    if told:
        output.note(told)
    return OK


async def _begin(chat: Chat) -> None:
    """Go to the session that was asked for."""
    wish = chat.wish
    if wish.resume is not None:
        await chat.open(wish.resume)
    elif wish.latest:
        try:
            await chat.open(None)
        except SessionNotFound:
            output.note("No session to continue yet: your first prompt starts one.")
    elif wish.session is not None:
        try:
            await chat.open(wish.session)
        except SessionNotFound:
            chat.name = wish.session


async def _converse(chat: Chat, staying: Staying) -> None:
    known = Known()
    line = PromptLine(lambda: chat.label, known, chat.stop_watched)
    chat.on_change = line.refresh
    refreshing: asyncio.Task[None] | None = None
    while not chat.leaving:
        if refreshing is None or refreshing.done():
            refreshing = asyncio.create_task(known.refresh(chat.client))
        with patch_stdout(raw=True):
            text = await line.ask()
        if text is None:
            break
        if text.strip():
            await _guarded(chat, staying, text.strip())
    if refreshing is not None:
        refreshing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await refreshing


async def _do(chat: Chat, staying: Staying, text: str) -> None:
    await staying.ensure()
    if commands.is_command(text):
        await commands.run(chat, text)
    else:
        await chat.say(text)


async def _guarded(chat: Chat, staying: Staying, text: str) -> None:
    """Do one line. Ctrl-C ends it; whatever goes wrong with it is said; and the chat goes on."""
    loop = asyncio.get_running_loop()
    doing = asyncio.create_task(_do(chat, staying, text))
    loop.add_signal_handler(signal.SIGINT, doing.cancel)
    try:
        await doing
    except asyncio.CancelledError:
        if not doing.cancelled():
            raise
        output.note("Stopped.")
    except WrongUse as wrong:
        output.error(wrong.message, wrong.hint)
    except ConnectionLost:
        pass  # whoever stays connected says so
    except AgentdError as error:
        explanation = explain(error)
        hint = explanation.hint
        if isinstance(error, SessionNotFound):
            hint = "Use /sessions list to see the available sessions."
        output.error(explanation.message, hint)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
