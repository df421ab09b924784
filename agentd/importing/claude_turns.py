"""The second time through a Claude Code transcript: its lines, in the order of the conversation, as turns."""

from collections.abc import Iterator, Sequence

from agentd.core.records import Draft
from agentd.importing import values as v
from agentd.importing.building import TurnBuilder
from agentd.importing.claude_index import Index, Node, has_results, is_injected, texts_of
from agentd.importing.claude_text import said
from agentd.importing.counting import Target
from agentd.importing.messages import usage_of
from agentd.importing.problems import Problems
from agentd.importing.source import Records
from agentd.importing.values import Json
from agentd.protocol import ToolStatus

SYNTHETIC = "<synthetic>"
_REFUSED = ("The user doesn't want to proceed", "The user does not want to proceed", "User rejected", "[Request interr")
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


class ClaudeTurns:
    """One conversation: the main one, or a sub-agent's."""

    def __init__(
        self, records: Records, nodes: Sequence[Node], index: Index, problems: Problems, target: Target
    ) -> None:
        self._records = records
        self._nodes = nodes
        self._index = index
        self._problems = problems
        self._builder = TurnBuilder(target, next((node.time for node in nodes if node.time), None))
        self._command: str | None = None
        self._boundary: Node | None = None
        self._called: set[str] = set()

    def drafts(self) -> Iterator[Draft]:
        for node in self._nodes:
            if not (node.spoken or node.kind == "attachment"):
                continue
            record = self._records.at(node.place)
            self._builder.at(node.time or None)
            if node.boundary:
                self._boundary = node
            elif node.kind == "user":
                self._user(node, record)
            elif node.kind == "assistant":
                self._assistant(node, record)
            else:
                self._attachment(record)
            yield from self._builder.records()
        self._ran_command()
        self._lost_summary()
        self._builder.close()
        yield from self._builder.records()

    def _user(self, node: Node, record: Json) -> None:
        message = v.mapping(record.get("message"))
        if record.get("isCompactSummary") is True:
            self._boundary = None
            self._ran_command()
            self._builder.compact("\n".join(texts_of(message)))
            return
        self._lost_summary()
        self._orphans(node, message)
        if is_injected(record):
            told = [text for text in texts_of(message) if said(text).kind != "nothing"]
            self._builder.context("Put in by Claude Code", "\n".join(told))
            return
        aside = has_results(message)
        typed: list[str] = []
        for text in texts_of(message):
            one = said(text)
            if one.kind == "interrupt":
                self._ran_command()
                self._builder.interrupted()
                typed += [one.text] if one.text else []
            elif one.kind == "command":
                self._ran_command()
                self._command = one.text
            elif one.kind == "output":
                self._command_told(one.text)
            elif one.kind == "context" or (one.kind == "prompt" and aside):
                self._builder.context(one.title or "Put in by Claude Code", one.text)
            elif one.kind == "prompt":
                typed.append(one.text)
        images = [block for block in v.listed(message.get("content")) if v.is_image(block)]
        if typed or (images and not aside):
            self._ran_command()
            self._builder.end()
            self._builder.without_images(images)
            self._builder.prompt("\n\n".join(typed) or "[image]")

    def _assistant(self, node: Node, record: Json) -> None:
        message = v.mapping(record.get("message"))
        self._lost_summary()
        if self._command is not None:
            command, self._command = self._command, None
            self._builder.prompt(command)
        if record.get("isApiErrorMessage") is True:
            self._builder.failed(v.block_text(message.get("content")) or "The model's call failed.")
            return
        model = v.string(message.get("model"))
        if model == SYNTHETIC:
            self._builder.notice(v.block_text(message.get("content")))
            return
        self._builder.model(model)
        content = message.get("content")
        for one in content if isinstance(content, list) else [content]:
            self._block(node, one, model)
        if isinstance(message.get("usage"), dict):
            self._builder.used(node.message or str(node.order), usage_of(message["usage"]))
        self._builder.stopped(v.string(message.get("stop_reason")))

    def _block(self, node: Node, one: object, model: str | None) -> None:
        block = v.mapping(one)
        kind = v.string(block.get("type"))
        if kind == "thinking":
            ours = model is not None and model.startswith("claude-")
            signature = v.string(block.get("signature")) if ours else None
            self._builder.thinking(v.string(block.get("thinking")) or "", signature)
        elif kind == "redacted_thinking":
            if data := v.string(block.get("data")):
                self._builder.redacted(data)
        elif kind in _CALLS:
            self._call(block)
        elif kind is not None and kind.endswith("_tool_result"):
            call_id = v.string(block.get("tool_use_id"))
            self._builder.result(call_id, v.block_text(block.get("content")), "completed")
        else:
            self._builder.text(v.block_text(one))

    def _call(self, block: Json) -> None:
        call_id = v.string(block.get("id"))
        self._builder.call(call_id, v.string(block.get("name")), v.arguments(block.get("input")))
        if call_id is None or call_id in self._called:
            return
        self._called.add(call_id)
        for place in self._index.results.get(call_id, ())[:1]:
            record = self._records.at(place)
            for result in v.mappings(v.mapping(record.get("message")).get("content")):
                if result.get("tool_use_id") == call_id:
                    output = self._builder.with_images(result.get("content"))
                    time = v.moment(record.get("timestamp"))
                    self._builder.result(call_id, output, _status(result, output), time)
                    break

    def _orphans(self, node: Node, message: Json) -> None:
        """Results of calls that the file does not have."""
        for block in v.mappings(message.get("content")):
            if block.get("type") != "tool_result":
                continue
            call_id = v.string(block.get("tool_use_id")) or ""
            if call_id not in self._index.calls:
                where = f"Line {node.place.line:,}"
                self._problems.note(f"{where}: a tool's result without its call; it is kept by itself.")
                output = self._builder.with_images(block.get("content"))
                self._builder.answered("unknown", output, _status(block, output))

    def _attachment(self, record: Json) -> None:
        found = v.mapping(record.get("attachment"))
        if found.get("type") != "queued_command":
            return
        for text in texts_of({"content": found.get("prompt")}):
            one = said(text)
            if one.kind == "prompt":
                self._builder.prompt(one.text, steer=True)
            elif one.kind == "context":
                self._builder.context(one.title, one.text)

    def _command_told(self, output: str) -> None:
        """A command of the program itself: the model never saw it as a prompt."""
        command, self._command = self._command, None
        self._builder.context(command or "command", output or "(no output)")

    def _ran_command(self) -> None:
        if self._command is not None:
            command, self._command = self._command, None
            self._builder.context(command, "(a command of Claude Code)")

    def _lost_summary(self) -> None:
        if self._boundary is not None:
            line = self._boundary.place.line
            self._problems.note(f"Line {line:,} says that the conversation was compacted, but its summary is missing.")
            self._boundary = None


def _status(result: Json, output: str) -> ToolStatus:
    if result.get("is_error") is not True:
        return "completed"
    return "denied" if output.startswith(_REFUSED) else "failed"
