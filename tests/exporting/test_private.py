"""``--redact``: 500 secrets in every place where one can be, and none of them in any export."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentd.core.records import Draft, item_draft, system_draft, turn_draft
from agentd.protocol import ContextText, Item, Problem
from agentd.store.api import QueuedPrompt
from agentd.store.files import Files
from tests.exporting.place import ID, Place, a_place
from tests.store.support import TIME, a_turn
from tests.support.planted import Secrets

pytestmark = pytest.mark.anyio
FORMATS = ("agentd", "json", "markdown", "html")
ROUNDS = 40
PLANTED = 543
"""13 in each turn, and 10 around them: in metadata, the queue, a blob, a document, the system text."""
NO_SECRETS = 3
"""Places, which are to be gone as well."""


class Planted:
    """What was hidden where. ``text()`` hides one more."""

    def __init__(self) -> None:
        self.secrets = Secrets(7)
        self.hidden: list[str] = []

    def text(self) -> str:
        secret, text = self.secrets.next()
        self.hidden.append(secret)
        return f"before\n{text}\nafter"

    def turn(self, number: int, root: str) -> list[Draft]:
        key = self.secrets.of(30)
        self.hidden.append(key)
        given: dict[str, Any] = {
            "command": self.text(),
            "env": {"nested": [{"deep": self.text()}, self.text()], "DB_PASSWORD": key},
            "path": f"{root}/src/a.py",
        }
        items = [
            Item(id=f"{number}.1", kind="prompt", text=self.text(), context=(
                ContextText(title=f"{root}/b.py", text=self.text(), uri=f"file://{root}/b.py"),
                ContextText(title="gone", problem=self.text()),
            )),
            Item(id=f"{number}.2", kind="thinking", text=self.text(), signature="sealed"),
            Item(id=f"{number}.3", kind="thinking", text="nothing to hide", signature="stays"),
            Item(id=f"{number}.4", kind="tool", name="run_command", input=given, output=self.text(), status="completed",
                 edits=({"path": "/home/ann/x", "newText": self.text()},)),
            Item(id=f"{number}.5", kind="notice", text=self.text()),
            Item(id=f"{number}.6", kind="text", text=self.text()),
        ]  # fmt: skip
        end = a_turn(number, "failed", ended=TIME, error=Problem(kind="modelFailed", message=self.text()).dump())
        return [turn_draft(a_turn(number)), *(item_draft(number, item) for item in items), turn_draft(end)]


async def planted(place: Place) -> list[str]:
    """A session full of secrets; what they are."""
    hide = Planted()
    root = str(place.root)
    drafts = [system_draft(hide.text())]
    for number in range(1, ROUNDS + 1):
        drafts += hide.turn(number, root)
    blob, image = hide.text().encode(), b"\x89PNG\0" + bytes(range(256))
    digest = hashlib.sha256(blob).hexdigest()
    drafts += hide.turn(ROUNDS + 1, root)
    drafts[-2] = item_draft(ROUNDS + 1, Item(id=f"{ROUNDS + 1}.6", kind="text", text=f"see blob {digest}"))
    await place.made(
        drafts,
        name="my session",
        description=hide.text(),
        tags=("a tag",),
        first_message=hide.text(),
        last_prompt=hide.text(),
        working_dir=root,
        branch="main",
        metadata={"mine": {"deep": hide.text()}, "note": f"{root}/x", "home": "/home/ann/y"},
        config={"provider": {"api_key": hide.text()}},
    )
    session = await place.opened(ID)
    await session.log.enqueue(QueuedPrompt(ROUNDS + 5, hide.text(), TIME, (ContextText(title="t", text=hide.text()),)))
    directory = Path(place.store.location) / "sessions" / ID
    (directory / "blobs").mkdir()
    for data in (blob, image):
        Files().write_new(directory / "blobs" / hashlib.sha256(data).hexdigest(), data)
    (place.documents_of(ID) / "notes.md").write_text(f"# Notes\n{hide.text()}\n{root}/secret\n")
    return [*hide.hidden, root, "/home/ann", str(place.store.location)]


@pytest.mark.parametrize("kind", FORMATS)
async def test_none_of_500_secrets_is_left(tmp_path: Path, kind: str) -> None:
    async with a_place(tmp_path) as place:
        hidden = await planted(place)
        assert len(hidden) - NO_SECRETS == PLANTED
        made = await place.export(ID, kind, redact=True)
        assert made.content is not None
        as_json = [json.dumps(secret)[1:-1] for secret in hidden]
        assert [secret for secret in {*hidden, *as_json} if secret in made.content] == []
        removed = {one.kind: one.count for one in made.redacted}
        assert removed["private key"] > 10 and removed["workspace path"] > 30 and removed["home path"] > 30
        assert sum(removed.values()) > 450
        assert "branch" not in removed and "main" in made.content
        plain = await place.export(ID, kind)
        assert plain.content is not None and plain.redacted == ()
        assert sum(secret in plain.content for secret in {*hidden, *as_json}) > 250


async def test_a_redacted_export_is_a_session_still(tmp_path: Path) -> None:
    async with a_place(tmp_path / "one") as place:
        await planted(place)
        made = await place.export(ID, "agentd", redact=True)
        assert made.content is not None
        assert {"binary blob": 1}.items() <= {one.kind: one.count for one in made.redacted}.items()
        assert await place.text(ID, "agentd", redact=True) == made.content
    async with a_place(tmp_path / "two") as place:
        await place.imported(made.content)
        session = await place.opened(ID)
        assert not session.log.problems
        assert session.newest == ROUNDS + 1 and len(session.waiting) == 1
        assert session.metadata.working_dir == "<workspace>" and session.metadata.branch == "main"
        page = await session.log.page(3, 1)
        thoughts = [(item.text, item.signature) for item in page.turns[0].items if item.kind == "thinking"]
        assert thoughts[1] == ("nothing to hide", "stays") and thoughts[0][1] is None
        last = await session.log.page(None, 1)
        blob = next(item.text for item in last.turns[0].items if item.kind == "text")
        assert blob is not None and len(await session.log.blob(blob.split()[-1])) > 0
        # What is private is gone: there is nothing more to remove.
        assert (await place.export(ID, "agentd", redact=True)).redacted == ()


async def test_damaged_records_cannot_be_judged_and_are_left_out(tmp_path: Path) -> None:
    change: Callable[[bytes], bytes] = lambda data: data.replace(b'"kind":"text"', b'"kind""text"', 1)  # noqa: E731
    async with a_place(tmp_path) as place:
        await place.made([*Planted().turn(1, "/r"), *Planted().turn(2, "/r")])
        transcript = Path(place.store.location) / "sessions" / ID / "transcript.jsonl"
        transcript.write_bytes(change(transcript.read_bytes()))
        made = await place.export(ID, "agentd", redact=True)
        assert {one.kind: one.count for one in made.redacted}["damaged record"] == 1
        assert made.content is not None and '"kind""text"' not in made.content
