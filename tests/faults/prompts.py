"""Prompts that run, wait and steer, as the tests of interleavings begin them."""

from typing import Any

from tests.faults.world import World
from tests.support.editor import Asked, Editor
from tests.support.messages_api import Gate, Reply, Text, ToolUse, Wait


def held(gate: Gate) -> Reply:
    return Reply((Text(("a ", Wait(gate), "b")),))


def held_before_tool(gate: Gate) -> Reply:
    """After this reply the model is asked again, and steers join in between."""
    return Reply((Text(("a ", Wait(gate), "b")), ToolUse("foo", {})))


async def running(here: World, session: str) -> Asked:
    """Turn 1, of which the first word is shown."""
    chat = here.one.begin("agentd/chat", {"sessionId": session, "prompt": "one"})
    await here.one.shows(session, 1, "a ")
    return chat


async def steer(editor: Editor, session: str, prompt: str, **params: str) -> Asked:
    """A prompt that is to join the running turn, and waits for that on disk."""
    asked = editor.begin("agentd/chat", {"sessionId": session, "prompt": prompt, "whenBusy": "steer", **params})
    await editor.event("turn/queued", session=session, like={"turn": {"items": [{"text": prompt}]}})
    return asked


async def queue(editor: Editor, session: str, prompt: str, **params: str) -> int:
    """A prompt that waits for the running turn to end: its number."""
    turn = (await editor.request("agentd/chat", {"sessionId": session, "prompt": prompt, **params}))["turn"]
    assert turn["status"] == "queued"
    number: int = turn["number"]
    return number


def lines(turns: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """The number, the prompt and the status of each turn."""
    return [(turn["number"], turn["items"][0]["text"], turn["status"]) for turn in turns]


def prompts_of(turn: dict[str, Any]) -> list[str]:
    """All prompts of a turn, steers that joined it included."""
    return [item["text"] for item in turn["items"] if item["kind"] == "prompt"]
