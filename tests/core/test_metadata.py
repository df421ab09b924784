"""Names that are allowed, and metadata that is kept as it was found."""

import json

import pytest

from agentd.core.metadata import ForkPoint, Metadata, checked_name, session_view, without_secrets
from agentd.core.records import item_draft, mark_draft, system_draft, turn_draft
from agentd.errors import InvalidName
from agentd.protocol import Item, Turn, Usage


@pytest.mark.parametrize(
    ("name", "kept"), [("a", "a"), ("  a b ", "a b"), ("x" * 256, "x" * 256), ("👩‍💻 日本", "👩‍💻 日本")]
)
def test_names(name: str, kept: str) -> None:
    assert checked_name(name) == kept


@pytest.mark.parametrize("name", ["", " \n", "x" * 257])
def test_names_of_a_wrong_length(name: str) -> None:
    with pytest.raises(InvalidName, match="Session name must be between 1 and 256 characters"):
        checked_name(name)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", "a\ud800", "a\x00", "\u200d"])
def test_names_that_would_garble_a_list(name: str) -> None:
    with pytest.raises(InvalidName):
        checked_name(name)


def test_unknown_fields_are_kept_and_nothing_is_null_on_disk() -> None:
    found = {"version": 1, "id": "x", "created": "c", "last_active": "l", "later": {"a": [1]}, "name": None}
    written = json.loads(Metadata.model_validate(found).changed(name="n").dump_json())
    assert written["later"] == {"a": [1]}
    assert written["name"] == "n"
    assert None not in written.values()
    assert Metadata.model_validate(written).dump_json() == Metadata.model_validate(found).changed(name="n").dump_json()


def test_what_clients_see_of_a_session() -> None:
    metadata = Metadata(
        id="x",
        created="c",
        last_active="l",
        tags=("a",),
        usage=Usage(input_tokens=3),
        forked_from=ForkPoint(session_id="y", turn=2),
        unseen_turn=4,
        config={"secret": "hidden"},
        metadata={"mine": 1},
    )
    shown = session_view(metadata, "running").dump()
    assert shown["state"] == "running"
    assert shown["unseen"] is shown["background"] is True
    assert shown["forkedFrom"] == {"sessionId": "y", "turn": 2}
    assert shown["metadata"] == {"mine": 1}
    assert shown["usage"]["inputTokens"] == 3
    assert "hidden" not in json.dumps(shown)
    assert session_view(metadata.changed(unseen_turn=None), "idle").background is False


def test_records_are_what_they_say() -> None:
    item = Item(id="1.2", kind="text", text="hi")
    turn = Turn(number=1, status="completed", started="s", items=(item,))
    assert (turn_draft(turn).turn, turn_draft(turn).kind, dict(turn_draft(turn).body)) == (
        *(1, "turn"),
        {"status": "completed", "started": "s"},
    )
    assert (item_draft(1, item).kind, dict(item_draft(1, item).body)) == ("text", {"id": "1.2", "text": "hi"})
    assert (system_draft("be kind").turn, dict(system_draft("be kind").body)) == (0, {"text": "be kind"})
    assert dict(mark_draft("clear", 3).body) == {"mark": "clear", "through": 3, "keepSystem": True}
    assert dict(mark_draft("compact", 3, summary="s").body) == {"mark": "compact", "through": 3, "summary": "s"}
    assert dict(mark_draft("rewind", 0).body) == {"mark": "rewind", "through": 0}


KEY = "sk-ant-" + "api03-abcdefghijklmnop"


def test_no_key_is_kept_in_a_configuration() -> None:
    given = {
        **dict.fromkeys(("api-key", "X-Api-Key", "apiKey", "DB_PASSWORD", "client.secret", "Proxy-Authorization"), "v"),
        **dict.fromkeys(("credentials", "access_token", "ANTHROPIC_KEY", "api_keys", "authToken"), "v"),
        "env": [f"ANTHROPIC_API_KEY={KEY}", "MY_TOKEN=x", "PATH=/home/bob/bin", "X-Api-Key: v"],
        "args": ["--api-key", "v", "--model", "m"],
        "url": "https://user:pw@host/x",
        "note": f"use {KEY} here",
        KEY: 1,
        "passwd": 123456,
    }
    assert without_secrets({"providers": [given]}) == {
        "providers": [
            {
                "env": [
                    "ANTHROPIC_API_KEY=[removed]",
                    "MY_TOKEN=[removed]",
                    "PATH=/home/bob/bin",
                    "X-Api-Key: [removed]",
                ],
                "args": ["--api-key", "[removed]", "--model", "m"],
                "url": "https://user:[removed]@host/x",
                "note": "use [removed] here",
                "[removed]": 1,
            }
        ]
    }


def test_what_only_sounds_like_a_key_is_kept() -> None:
    given = {
        "max_tokens": 4096,
        "maxTokens": "4096",
        "tokenizer": "gpt2",
        "keybindings": {"key": "ctrl+a"},
        "keys": ["a"],
        "eos_token": "</s>",
        "stop_tokens": ["x"],
        "monkey": "m",
        "prompt": "Password: say nothing of it",
        "n": None,
        "token_limit": 3,
        "keyboard": "de",
        "place": "/home/bob/x",
        "args": ["--max-tokens", "5"],
    }
    assert without_secrets(given) == given
