"""Conversations as bad as a transcript can hold: what Hypothesis draws its turns from."""

from typing import Any, get_args

from hypothesis import strategies as st

from agentd.core.exchange import ModelTraits, ToolSpec
from agentd.protocol import ContextText, Item, ItemKind, ToolStatus, Turn, TurnStatus
from tests.support.messages_api.signing import sign

MODELS = ("claude-haiku-4-5", "claude-sonnet-5-5", "llama3")

repeated = st.builds(
    lambda piece, count: piece * count,
    st.sampled_from(["word ", "x", "日本", "🎉", '"\\\n', "é", "\ud83d", "\n", "a\tb\n", "```\n"]),
    st.sampled_from([1, 30, 700, 5000]),
)
texts = st.one_of(
    st.sampled_from(["", " \n\t", "ok", "\u2028", "\ud800", "\x0b", "\u200b"]), st.text(max_size=30), repeated
)
call_ids = st.one_of(
    st.none(), st.sampled_from(["", "toolu_1", "toolu_2", "call-1", "é.b c", "x" * 200, "_", "a" * 64]), st.text()
)
names = st.one_of(st.none(), st.sampled_from(["", "read_file", "mcp:server/tool", "n" * 300, "日本"]), st.text())
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
deep = st.integers(1, 400).map(lambda count: _nested(count))
inputs = st.one_of(st.none(), st.dictionaries(st.text(max_size=5), values, max_size=3), deep)
contexts = st.lists(
    st.builds(
        lambda title, text, problem, unsaved: ContextText(title=title, text=text, problem=problem, unsaved=unsaved),
        texts,
        st.one_of(st.none(), texts),
        st.one_of(st.none(), texts),
        st.one_of(st.none(), st.booleans()),
    ),
    max_size=3,
)


def _nested(count: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(count):
        value = {"a": value}
    return value


@st.composite
def items(draw: st.DrawFn) -> Item:
    """Any item; its fields go round validation, as those of a hand-edited or imported transcript may."""
    kind = draw(st.sampled_from([*get_args(ItemKind), "tool", "tool", "thinking"]))
    item_id = draw(st.one_of(st.just("1.2"), st.integers(0, 5).map(lambda n: f"3.{n}"), st.text(max_size=4)))
    text = draw(st.one_of(st.none(), texts)) if kind != "prompt" else draw(texts)
    fields: dict[str, Any] = {"text": text}
    if kind == "prompt" and draw(st.booleans()):
        fields["context"] = tuple(draw(contexts))
    if kind == "thinking" and text is not None and draw(st.booleans()):
        fields["signature"] = sign(text.encode("utf-8", "replace").decode())
    if kind == "redacted":
        fields["data"] = draw(st.sampled_from([None, "", "EmwKAhgB"]))
    if kind == "tool":
        fields |= {"name": draw(names), "call_id": draw(call_ids), "input": draw(inputs)}
        fields |= {"status": draw(st.sampled_from([None, *get_args(ToolStatus)]))}
        fields |= {"output": draw(st.one_of(st.none(), texts))}
    return Item(id=item_id, kind=kind).model_copy(update=fields)


@st.composite
def turns(draw: st.DrawFn, number: int) -> Turn:
    """Any turn; its first prompt, if it has one, begins with ``T<number>;``."""
    found = draw(st.lists(items(), max_size=6))
    if draw(st.integers(0, 3)):
        found.insert(0, Item(id=f"{number}.1", kind="prompt"))
    marked = next((index for index, item in enumerate(found) if item.kind == "prompt"), None)
    if marked is not None:
        text = f"T{number};{draw(texts)}"
        found[marked] = found[marked].model_copy(update={"text": text})
    return Turn(
        number=number,
        status=draw(st.sampled_from(get_args(TurnStatus))),
        started="2026-11-21T08:30:00.000Z",
        model=draw(st.sampled_from([*MODELS, None])),
        retry_of=draw(st.sampled_from([None, number - 1])),
    ).model_copy(update={"items": tuple(found)})


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Turn], Turn]:
    """Earlier turns and the current one."""
    count = draw(st.integers(0, 5))
    return [draw(turns(number)) for number in range(1, count + 1)], draw(turns(count + 1))


traits = st.builds(
    lambda name, window, output, tools, thinking, cache, first: ModelTraits(
        name, "anthropic", window, output, tools, thinking, cache=cache, thinking_first=first or name != MODELS[1]
    ),
    st.sampled_from(MODELS),
    st.sampled_from([1000, 1024, 4096, 20_000, 200_000]),
    st.sampled_from([1, 384, 8192, 64_000]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
tool_specs = st.sampled_from(
    [
        (),
        (ToolSpec("read_file", "Reads a file.", {"type": "object", "properties": {"path": {"type": "string"}}}),),
        tuple(ToolSpec(f"tool_{number}", "Does much. " * 20, {"type": "object"}) for number in range(20)),
    ]
)
