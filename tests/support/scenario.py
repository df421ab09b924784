"""Scenarios: what editors do and must see, in TOML, the same over every way to a daemon.

    title = "A prompt makes a session"
    settings = { retries = 0 }                  # config.toml, beside quick retries
    replies = [{ parts = [{ text = ["Hel", "lo"] }] }]      # the model's script (messages_api/scriptfile.py)
    files = { "a.py" = "x = 1" }                # of the project
    agents = { reviewer = "…" }                 # of the user: agents/reviewer.md

    [[step]]                                    # by = "a" is the editor, attached at its first step
    do = "agentd/chat"                          # a request,
    with = { prompt = "Hi" }                    #   its parameters,
    gives = { turn = { status = "completed" } } #   a part of its result (matching.py),
    until = true                                # asked again until it gives this
    keep = { s = "session.id" }                 #   and what later steps call $s
    fails = { kind = "…", words = "…", code = 1 }           # instead of gives: the error
    begin = "x"                                 # sent, answered later: finish = "x" in a later step, or cancel = "x"
    command = "agentd.name"                     # the same through workspace/executeCommand
    ends = true                                 # this request ends the daemon
    notify = "textDocument/didOpen"             # a notification, with = its parameters
    sees = "turn/ended"                         # an event that came or comes; like = a part of it, session = "$s"
    shows = { session = "$s", turn = 1, text = "He" }       # text that is on the screen, or comes
    open = "gate" / reached = "gate"            # gates of the model's script
    asked = 1                                   # request 1 to the model: conversation = ["user: Hi"], like = its body
    drop = true / leave = true                  # the editor is killed / closes
    stop = true                                 # the daemon ends (SIGTERM); the next step starts it again
    write = { "a.py" = "x = 2" }                # the disk changes

    [[transcript]]                              # what the session is at the end, read by a new editor
    session = "$s"
    turns = ["completed | prompt: Hi | text: Hello"]

A string ``$s`` is what was kept, ``${s}`` the same within a text, ``${s:8}`` its first 8 characters, ``${x*256}``
256 times "x", ``$root`` the project's directory.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_PLACE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<head>\d+)|\*(?P<times>\d+))?\}")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Failure(Strict):
    kind: str | None = None
    words: str = ""
    code: int | None = None


class Shown(Strict):
    session: str
    turn: int
    text: str


class Step(Strict):
    """One thing that is done or expected; a field's meaning is in the module's docstring."""

    by: str = "a"
    do: str | None = None
    command: str | None = None
    params: dict[str, Any] = Field(default_factory=dict, alias="with")
    gives: Any = None
    until: bool = False
    fails: Failure | None = None
    keep: dict[str, str] = Field(default_factory=dict)
    begin: str | None = None
    finish: str | None = None
    cancel: str | None = None
    notify: str | None = None
    sees: str | None = None
    like: Any = None
    session: str | None = None
    shows: Shown | None = None
    open: str | None = None
    reached: str | None = None
    asked: int | None = None
    conversation: list[str] | None = None
    disconnected: int | None = None
    drop: Literal[True] | None = None
    leave: Literal[True] | None = None
    stop: Literal[True] | None = None
    ends: bool = False
    write: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_thing(self) -> "Step":
        requests = [self.do, self.command, self.finish, self.cancel, self.notify]
        model = [self.open, self.reached, self.asked, self.disconnected]
        things = [*requests, *model, self.sees, self.shows, self.drop, self.leave, self.stop, self.write or None]
        done = [thing for thing in things if thing is not None]
        if len(done) != 1:
            raise ValueError(f"a step does one thing, this one {len(done)}")
        return self


class Transcript(Strict):
    session: str
    turns: list[str]


class Scenario(Strict):
    title: str
    settings: dict[str, Any] = Field(default_factory=dict)
    replies: list[dict[str, Any]] = Field(default_factory=list)
    rules: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    agents: dict[str, str] = Field(default_factory=dict)
    step: list[Step]
    transcript: list[Transcript] = Field(default_factory=list)


def read(path: Path) -> Scenario:
    return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def filled(value: Any, kept: dict[str, Any]) -> Any:
    """The value with its ``$names`` replaced by what was kept."""
    if isinstance(value, dict):
        return {filled(key, kept): filled(inner, kept) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, kept) for inner in value]
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\$[a-zA-Z]\w*", value):
        return kept[value[1:]]

    def place(match: re.Match[str]) -> str:
        if match["times"]:
            return match["name"] * int(match["times"])
        text = str(kept[match["name"]])
        return text[: int(match["head"])] if match["head"] else text

    return _PLACE.sub(place, value)


def at(value: Any, path: str) -> Any:
    """What is at ``session.id`` or ``sessions.0.id``."""
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def conversation(body: dict[str, Any]) -> list[str]:
    """A recorded request's messages, a line each: ``user: Hi``."""
    lines = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        lines.append(f"{message['role']}: " + " + ".join(_block(block) for block in blocks))
    return lines


def _block(block: dict[str, Any]) -> str:
    match block["type"]:
        case "text":
            return str(block["text"])
        case "tool_use":
            return f"[call {block['name']}]"
        case "tool_result":
            inner = block["content"]
            text = inner if isinstance(inner, str) else "".join(one.get("text", "") for one in inner)
            return f"[result {text}]"
        case kind:
            return f"[{kind}]"
