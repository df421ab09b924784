"""What every wire type shares: camelCase, absent rather than null, Lua's [], unknown fields, and always writable."""

import json
from typing import Any, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agentd.protocol import (
    METHODS,
    ChatParams,
    CredentialsParams,
    Item,
    Kept,
    ListParams,
    NewParams,
    Session,
    Turn,
    UpdateParams,
    Wire,
    method_of,
)
from agentd.protocol import methods as method_types
from agentd.protocol import shapes as shape_types
from agentd.protocol.base import DEEPEST, sound_json, sound_text

PARAMS = sorted({method.params for method in METHODS}, key=lambda kind: kind.__name__)
RESULTS = sorted({method.result for method in METHODS}, key=lambda kind: kind.__name__)
SHAPES = [kind for kind in vars(shape_types).values() if isinstance(kind, type) and issubclass(kind, Kept)]

anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.sampled_from(["\ud800", "a\udfff", "\ud83d\ude00"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("params", PARAMS, ids=lambda kind: kind.__name__)
def test_params_take_lua_and_null_and_refuse_what_they_do_not_know(params: type[Wire]) -> None:
    required = {field.alias for field in params.model_fields.values() if field.is_required()}
    lists = {field.alias for field in params.model_fields.values() if get_origin(field.annotation) is tuple}
    least: dict[str, Any] = {str(name): [] if name in lists else "a" * 64 for name in required}
    nulls = {str(field.alias): None for field in params.model_fields.values() if not field.is_required()}
    made = params.model_validate(least)
    assert params.model_validate({**nulls, **least}) == made
    assert params.model_validate({**least, "strange": None}) == made
    for unknown in ("strange", "session-id", "Prompt"):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            params.model_validate({**least, unknown: 1})
    nothings: list[Any] = [[], {}, None]
    for nothing in nothings:
        if required:
            with pytest.raises(ValidationError, match="missing"):
                params.model_validate(nothing)
        else:
            assert params.model_validate(nothing) == made
    wrongs: list[Any] = [[1], "x", 5, True, [[]]]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            params.model_validate(wrong)


@pytest.mark.parametrize("name", sorted({name for kind in (*PARAMS, *RESULTS, *SHAPES) for name in kind.model_fields}))
def test_names_on_the_wire_are_camel_case(name: str) -> None:
    head, *words = name.split("_")
    aliases = {kind.model_fields[name].alias for kind in (*PARAMS, *RESULTS, *SHAPES) if name in kind.model_fields}
    assert aliases == {head + "".join(word.capitalize() for word in words)}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda kind: kind.__name__)
def test_shapes_keep_what_they_do_not_know(shape: type[Kept]) -> None:
    required = [str(field.alias) for field in shape.model_fields.values() if field.is_required()]
    samples = {"turn": 1, "number": 1, "size": 1, "status": "completed", "kind": "text", "code": 1}
    least = {name: samples.get(name, "x") for name in required}
    later = {"fromTheFuture": {"deep": [1, None, {"x": None}]}, "snake_too": 1}
    made = shape.model_validate({**least, **later, "gone": None})
    assert json.loads(made.dump_json()) == {**json.loads(shape.model_validate(least).dump_json()), **later}
    assert shape.model_validate(json.loads(made.dump_json())) == made
    assert shape.model_validate(made.dump()) == made


def test_nothing_is_null_but_what_somebody_else_wrote() -> None:
    item = Item(id="1.1", kind="tool", input={"a": None, "b": [None]})
    assert item.dump() == {"id": "1.1", "kind": "tool", "input": {"a": None, "b": [None]}}
    assert json.loads(item.dump_json()) == item.dump()
    assert ChatParams.model_validate({"prompt": "x", "sessionId": None}).dump()["prompt"] == "x"


def test_lua_sends_lists_for_empty_objects() -> None:
    assert NewParams.model_validate({"metadata": []}).metadata == {}
    assert UpdateParams.model_validate({"sessionId": "x", "metadata": [], "tags": []}).metadata == {}
    assert UpdateParams.model_validate({"sessionId": "x"}).metadata is None
    assert Item.model_validate({"id": "1.1", "kind": "tool", "input": []}).input == {}
    chat = {"prompt": "x", "context": [{"type": "range", "uri": "file:///a", "range": []}]}
    with pytest.raises(ValidationError, match="start"):
        ChatParams.model_validate(chat)
    with pytest.raises(ValidationError):
        NewParams.model_validate({"metadata": [1]})


def test_values_are_frozen() -> None:
    item = Item(id="1.1", kind="text")
    with pytest.raises(ValidationError, match="frozen"):
        item.id = "2.2"


def test_a_session_whose_own_metadata_holds_half_a_character_can_be_shown() -> None:
    session = Session(id="x", created="c", last_active="l", metadata={"a": ["\ud800"]})
    assert json.loads(session.dump_json())["metadata"] == {"a": ["\ufffd"]}
    copy = Item(id="1.1", kind="text").model_copy(update={"text": "\ud800"})
    assert json.loads(copy.dump_json()) == {"id": "1.1", "kind": "text", "text": "\ufffd"}


@settings(deadline=None)
@given(st.dictionaries(st.text(), anything, max_size=4), anything)
def test_whatever_is_kept_can_be_written_and_read(value: dict[str, Any], extra: Any) -> None:
    item = Item.model_validate(
        {"id": "1.1", "kind": "tool", "input": value, "text": "\ud800a", "fromTheFuture": extra, "edits": [value]}
    )
    turn = Turn.model_validate({"number": 1, "status": "running", "started": "x", "items": [item.dump()]})
    written = turn.dump_json()
    assert Turn.model_validate(json.loads(written)).items[0] == item
    json.dumps(turn.dump(), allow_nan=False).encode()
    assert item.text == "\ufffda"


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1, 5000])
def test_what_is_too_deep_to_write_ends_in_null(depth: int) -> None:
    item = Item.model_validate({"id": "1.1", "kind": "tool", "input": nested(depth), "extra": nested(depth)})
    written = json.loads(item.dump_json())
    assert (written["input"] == nested(depth)) == (depth <= DEEPEST)
    json.dumps(item.dump())


@settings(deadline=None)
@given(st.text(alphabet=st.characters()), anything)
def test_sound_is_sound_and_changes_no_more_than_it_must(text: str, value: Any) -> None:
    sound = sound_text(text)
    sound.encode()
    assert sound_text(sound) == sound
    try:
        text.encode()
    except UnicodeEncodeError:
        assert sound != text
    else:
        assert sound is text
    once = sound_json(value)
    json.dumps(once, allow_nan=False).encode()
    assert sound_json(once) == once


def test_two_halves_make_one_character() -> None:
    assert sound_text("\ud83d\ude00") == "😀"


@pytest.mark.parametrize(
    ("params", "value"),
    [
        (ListParams, {"limit": 0}),
        (ListParams, {"limit": 1001}),
        (ListParams, {"status": "gone"}),
        (ListParams, {"sort": "size"}),
        (ChatParams, {"prompt": 5}),
        (ChatParams, {"prompt": "x", "whenBusy": "wait"}),
        (ChatParams, {"prompt": "x", "context": [{"type": "image"}]}),
        (ChatParams, {"prompt": "x", "context": {"type": "file"}}),
    ],
)
def test_what_is_out_of_range_is_named(params: type[Wire], value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        params.model_validate(value)
    assert caught.value.errors()[0]["loc"]


def test_the_table_is_whole() -> None:
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("agentd/") for name in names)
    assert all(method.doc.endswith(".") for method in METHODS)
    assert method_of(names[0]) is METHODS[0]
    assert method_of("agentd/nothing") is method_of("") is None
    assert method_types.EVENT == "agentd/event"


def test_a_key_is_not_in_the_repr() -> None:
    shown = CredentialsParams(provider="anthropic", key="sk-ant-secret")
    assert "secret" not in repr(shown) + str(shown)
    assert Session.model_validate({"id": "x", "created": "c", "lastActive": "l"}).state == "idle"
