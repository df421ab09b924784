"""kill -9 of the daemon, in mid-reply and right after each acknowledgement: what was shown or promised is there.

One daemon process after the other on one store. In each round several sessions stream at once, each held at another
point of its reply, so that one kill hits many points.
"""

import asyncio
from typing import Any

import pytest

from tests.faults.machine import Machine, machine
from tests.support.editor import LIMIT, Editor
from tests.support.messages_api import Gate, Reply, Text, Thinking, Wait, say

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ROUNDS = 5
HELD = 9
"""Sessions that are held at a point in each round; one more streams freely."""
POINTS = ROUNDS * (HELD + 1)


class Model:
    """Answers ``point N`` with a reply that stops after N pieces, ``free`` with one that does not; when no longer
    ``holding``, each with a word."""

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}
        self.holding = True

    def __call__(self, body: dict[str, Any]) -> Reply:
        prompt = body["messages"][-1]["content"][-1]["text"]
        if prompt == "go on" or not self.holding:
            return say("again")
        if prompt.startswith("free"):
            return Reply((Text(tuple(f"{number} " for number in range(5000))), Text("never")), delay=0.001)
        gate = self.gates.setdefault(prompt, Gate())
        count = int(prompt.rsplit(" ", 1)[1])
        pieces = tuple(f"{number}ü\n" for number in range(count))
        half = count // 2
        parts = (Thinking(("I ", "think")), Text((*pieces[:half], "")), Text((*pieces[half:], Wait(gate), "never")))
        # At point 0 nothing of the text has come.
        return Reply(parts if half else (Text((*pieces, Wait(gate), "never")),))


def check_kept(before: Editor, after: Editor, session: str) -> None:
    """All that was on the screen before is on the screen now, each item with at least its text."""
    for number, turn in before.screen.sessions[session].turns.items():
        now = after.screen.sessions[session].turns[number]
        for item in turn.items.values():
            if item.kind in ("text", "thinking") and not item.text:
                continue  # It had begun, and nothing of it could be seen.
            assert now.items[item.id].text.startswith(item.text), (number, item, now.items.get(item.id))
        if turn.status != "running":
            assert now.line() == turn.line()


@pytest.mark.parametrize("turn", range(ROUNDS))
async def test_kill_in_mid_reply(turn: int) -> None:
    model = Model()
    async with machine(model) as world:
        editor = await world.restart()
        points = [turn + ROUNDS * number for number in range(HELD)]
        prompts = {f"point {point}": "" for point in points} | {f"free {turn}": ""}
        for prompt in prompts:
            prompts[prompt] = (await editor.request("agentd/session/new"))["session"]["id"]
        for prompt, session in prompts.items():
            editor.begin("agentd/chat", {"sessionId": session, "prompt": prompt, "ref": prompt})
        for point in points:
            session = prompts[f"point {point}"]
            # As soon as the last piece is on the screen; at point 0 as soon as the prompt is.
            text = "".join(f"{number}ü\n" for number in range(point))
            await (editor.shows(session, 1, text) if point else editor.event("turn/started", session=session))
        await editor.shows(prompts[f"free {turn}"], 1, "".join(f"{number} " for number in range(17 * turn + 1)))
        await world.kill(editor)

        after = await world.restart()
        sessions = (await after.request("agentd/session/list", {"limit": 100}))["sessions"]
        assert {session["id"]: session["lastPrompt"] for session in sessions} == {s: p for p, s in prompts.items()}
        for prompt, session in prompts.items():
            resumed = await after.request("agentd/session/resume", {"sessionId": session})
            assert resumed["session"]["state"] == "idle"
            (cut,) = resumed["turns"]
            assert (cut["status"], cut["ref"], cut["error"]["kind"]) == ("interrupted", prompt, "interrupted")
            check_kept(editor, after, session)
        model.holding = False
        retried = [after.begin("agentd/turn/retry", {"sessionId": session}) for session in prompts.values()]
        for asked in retried:
            turned = (await asked.answer())["turn"]
            assert (turned["status"], turned["number"], turned["retryOf"]) == ("completed", 2, 1)
        await after.close()
    assert len(points) + 1 == POINTS // ROUNDS


async def busy(editor: Editor, world: Machine, prompt: str = "point 3") -> str:
    """A session whose turn is held."""
    session: str = (await editor.request("agentd/session/new"))["session"]["id"]
    editor.begin("agentd/chat", {"sessionId": session, "prompt": prompt})
    await editor.event("turn/started", session=session)
    return session


async def test_kill_right_after_each_acknowledgement_of_a_prompt() -> None:
    model = Model()
    async with machine(model) as world:
        editor = await world.restart()
        # A turn that has started.
        started = await busy(editor, world)
        await world.kill(editor)
        editor = await world.restart()
        turns = (await editor.request("agentd/session/resume", {"sessionId": started}))["turns"]
        assert [turn["status"] for turn in turns] == ["interrupted"]
        assert turns[0]["items"][0]["text"] == "point 3"

        # Prompts that wait: they are offered, in order, and not run unasked.
        waiting = await busy(editor, world, "point 4")
        for number in (2, 3):
            asked = {"sessionId": waiting, "prompt": f"wait {number}", "ref": f"r{number}", "context": [TEXT]}
            turn = (await editor.request("agentd/chat", asked))["turn"]
            assert (turn["status"], turn["number"]) == ("queued", number)
        await world.kill(editor)
        editor = await world.restart()
        resumed = await editor.request("agentd/session/resume", {"sessionId": waiting})
        assert resumed["session"]["state"] == "queued"
        assert [turn["status"] for turn in resumed["turns"]] == ["interrupted"]
        assert [(turn["number"], turn["ref"]) for turn in resumed["queued"]] == [(2, "r2"), (3, "r3")]
        assert resumed["queued"][0]["items"][0]["context"][0]["text"] == "given"
        again = (await editor.request("agentd/chat", {"sessionId": waiting, "prompt": "wait 2", "ref": "r2"}))["turn"]
        assert (again["number"], again["status"]) == (2, "queued")
        # A dropped one stays dropped.
        await editor.request("agentd/turn/interrupt", {"sessionId": waiting, "turn": 2})
        await world.kill(editor)
        editor = await world.restart()
        resumed = await editor.request("agentd/session/resume", {"sessionId": waiting})
        assert [turn["number"] for turn in resumed["queued"]] == [3]
        model.holding = False
        turn = (await editor.request("agentd/turn/retry", {"sessionId": waiting}))["turn"]
        assert (turn["status"], turn["retryOf"]) == ("completed", 1)

        # A turn that has ended, one that was interrupted, and a resend of a prompt that made a session.
        ended = (await editor.request("agentd/chat", {"prompt": "go on"}))["session"]["id"]
        model.holding = True
        stopped = await busy(editor, world, "point 5")
        await editor.request("agentd/turn/interrupt", {"sessionId": stopped})
        editor.begin("agentd/chat", {"prompt": "point 6", "ref": "mine"})
        created = await editor.event("turn/started", like={"turn": {"ref": "mine"}})
        await world.kill(editor)
        after = await world.restart()
        for session in (ended, stopped):
            await after.request("agentd/session/resume", {"sessionId": session})
            check_kept(editor, after, session)
        before = (await after.request("agentd/session/list"))["total"]
        resent = await after.request("agentd/chat", {"prompt": "point 6", "ref": "mine"})
        assert (resent["turn"]["number"], resent["turn"]["status"]) == (created["turn"]["number"], "interrupted")
        assert (await after.request("agentd/session/list"))["total"] == before
        await after.close()


TEXT = {"type": "text", "text": "given"}


async def test_kill_right_after_each_acknowledgement_of_a_change() -> None:
    async with machine(Model()) as world:
        editor = await world.restart()
        made = await editor.request("agentd/session/new", {"name": "made", "tags": ["t"], "metadata": {"k": 1}})
        await world.kill(editor)

        session = made["session"]["id"]
        changes: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("agentd/session/name", {"name": "named"}, {"name": "named"}),
            ("agentd/session/update", {"tags": ["u"], "model": "m"}, {"tags": ["u"], "model": "m", "name": "named"}),
            ("agentd/session/archive", {}, {"status": "archived", "tags": ["u"]}),
            ("agentd/session/restore", {}, {"status": "active"}),
        ]
        promised: dict[str, Any] = {"metadata": {"k": 1}, "name": "made"}
        editor = await world.restart()
        for method, params, expected in changes:
            known = (await editor.request("agentd/session/show", {"sessionId": session}))["session"]
            assert {key: known[key] for key in promised} == promised
            answer = await editor.request(method, {"sessionId": session, **params})
            assert {key: answer["session"][key] for key in expected} == expected
            promised = expected
            await world.kill(editor)
            editor = await world.restart()
        known = (await editor.request("agentd/session/show", {"sessionId": session}))["session"]
        assert {key: known[key] for key in promised} == promised
        await editor.request("agentd/session/update", {"sessionId": session, "model": "claude-sonnet-5-5"})
        first = await editor.request("agentd/chat", {"sessionId": session, "prompt": "go on"})
        fork = (await editor.request("agentd/session/fork", {"sessionId": session, "name": "fork"}))["session"]
        await editor.request("agentd/session/clear", {"sessionId": session})
        await world.kill(editor)
        after = await world.restart()
        shown = await after.request("agentd/session/resume", {"sessionId": fork["id"]})
        assert shown["turns"] == [first["turn"]]
        assert shown["session"]["forkedFrom"] == {"sessionId": session, "turn": 1}
        await after.request("agentd/chat", {"sessionId": session, "prompt": "go on"})
        exchange = await asyncio.wait_for(world.api.wait_for_request(2), LIMIT)
        assert len(exchange.body["messages"]) == 1, "cleared turns are sent no more"
        await after.close()
