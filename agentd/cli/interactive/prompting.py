"""The prompt line: history, several lines, completion, and what Ctrl-C and Ctrl-D mean there."""

import os
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.color_depth import ColorDepth

from agentd import paths
from agentd.cli import output
from agentd.cli.interactive.completing import Known, SlashCompleter

HISTORY_FILE = "chat-history"


class PromptLine:
    """Asks for one prompt or command at a time."""

    def __init__(self, label: Callable[[], str], known: Known, stop: Callable[[], bool]) -> None:
        """``stop`` stops the turn that is being watched, and says whether there is one."""
        self._label = label
        self._stop = stop
        self._leave_next = False
        self._session: PromptSession[str] = PromptSession(
            history=_history(),
            completer=SlashCompleter(known),
            complete_while_typing=True,
            multiline=True,
            key_bindings=self._keys(),
            prompt_continuation="  ",
            color_depth=ColorDepth.MONOCHROME if os.environ.get("NO_COLOR") else None,
        )

    async def ask(self) -> str | None:
        """What was entered, or None when the person leaves."""
        self._leave_next = False
        try:
            return await self._session.prompt_async(self._message)
        except EOFError:
            return None

    def refresh(self) -> None:
        """The label may have changed."""
        self._session.app.invalidate()

    def _message(self) -> FormattedText:
        return FormattedText([("ansicyan", f"[{self._label()}]"), ("bold", " > ")])

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("enter")
        def _enter(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            state = buffer.complete_state
            if state is not None and state.current_completion is not None:
                buffer.apply_completion(state.current_completion)
            elif buffer.text.strip():
                buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        # The signal instead of the key: pressed while a note is being printed, when the terminal is not in raw mode.
        @keys.add("<sigint>")
        @keys.add("c-c")
        def _interrupt(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
                self._leave_next = False
            elif self._leave_next:
                event.app.exit(exception=EOFError())
            elif self._stop():
                self._leave_next = True
                run_in_terminal(lambda: output.note("Stopping the turn … Ctrl-C again leaves."))
            else:
                self._leave_next = True
                run_in_terminal(lambda: output.note("Ctrl-C again, or Ctrl-D, leaves. The session is kept."))

        return keys


def _history() -> History:
    """A file that only the user can read; without one, this run's own."""
    path = Path(paths.data_dir(os.environ)) / HISTORY_FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
