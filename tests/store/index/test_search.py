"""What is found: parts, beginnings, phrases, scripts without spaces, whatever anybody types."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.core.records import Draft, mark_draft
from agentd.core.words import expression, indexed, snippet, spans, terms_of
from agentd.protocol import Item
from agentd.store.index.database import in_memory
from tests.store.index.support import found, make, marked, metadata, opened, places, sessions, turn

pytestmark = pytest.mark.anyio


def matches(text: str, query: str) -> bool:
    index = in_memory()
    index.execute("INSERT INTO words (rowid, text) VALUES (1, ?)", (indexed(text),))
    asked = expression(terms_of(query))
    return bool(asked and index.execute("SELECT 1 FROM words WHERE words MATCH ?", (asked,)).fetchall())


@pytest.mark.parametrize(
    ("text", "query", "marks"),
    [
        ("call parseConfig now", "config", ["Config"]),
        ("call parseConfig now", "conf", ["Conf"]),
        ("call parseConfig now", "parsec", ["parseC"]),
        ("call parseConfig now", "parse_config", ["parseConfig"]),
        ("call parse_config now", "parseConfig", ["parse_config"]),
        ("call parse-config now", "config", ["config"]),
        ("an HTTPServer2 runs", "server", ["Server"]),
        ("utf8Decoder", "decod", ["Decod"]),
        ("the quick fox", "quick THE", ["the", "quick"]),
        ("the quick fox", '"quick fox"', ["quick fox"]),
        ("Crème brûlée", "creme brule", ["Crème", "brûlé"]),
        ("我们用中文写代码", "中文", ["中文"]),
        ("日本語のテキスト", "テキ", ["テキ"]),
        ("한국어를 씁니다", "국어", ["국어"]),
        ("say c++ and go", "c++", ["c"]),
    ],
)
def test_found_and_marked(text: str, query: str, marks: list[str]) -> None:
    assert matches(text, query)
    assert [text[start:end] for start, end in spans(text, terms_of(query))] == marks


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the quick fox", '"fox quick"'),
        ("the quick fox", "quick hare"),
        ("the quick fox", "uick"),
        ("parseConfig readFile", '"config read"'),
        ("我们用中文写代码", "文中"),
    ],
)
def test_not_found(text: str, query: str) -> None:
    assert not matches(text, query)
    assert not all(spans(text, [term]) for term in terms_of(query))


TYPED = st.text(alphabet=st.sampled_from("\"*():^-+{}AND OR NOT NEAR,;'\0é中 aB1_"), max_size=30)


@given(st.text(max_size=60), TYPED)
def test_nothing_that_is_typed_is_an_error(text: str, query: str) -> None:
    matches(text.encode("utf-8", "replace").decode(), query)
    shown = snippet(text, terms_of(query))
    assert "\n" not in shown.text
    assert all(0 <= start < end <= len(shown.text) for start, end in shown.marks)


async def test_places_and_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        old = await make(store, "needle by name", "nothing here", last_active="2026-01-01T00:00:00.000Z")
        new = await make(store, None, "a needle", "hay", "needles again", last_active="2026-03-01T00:00:00.000Z")
        assert await places(store, "needle") == [(new, 3, "prompt"), (new, 1, "prompt"), (old, 0, "name")]
        (hit,) = await found(store, "again")
        assert (hit.snippet, marked(hit)) == ("needles again", ["again"])


async def test_a_page_ends_between_sessions_and_goes_on_there(tmp_path: Path) -> None:
    from agentd.core.words import terms_of

    async with opened(tmp_path) as store:
        ids = [
            await make(store, None, *["word"] * 5, last_active=f"2026-01-0{day}T00:00:00.000Z") for day in range(1, 8)
        ]
        await store.index.use()
        seen, after = [], None
        while True:
            page = await store.index.search(terms_of("word"), "all", 7, after)
            seen += [hit.row.id for hit in page.hits]
            if not page.more:
                break
            after = page.hits[-1].row.place
        assert seen == [one for one in reversed(ids) for _ in range(3)]


async def test_tools_notices_and_summaries_are_searched_and_cleared_turns_stay(tmp_path: Path) -> None:
    tool = Item(id="1.2", kind="tool", name="read_file", input={"path": "src/lib.rs"}, status="running")
    done = tool.model_copy(update={"status": "completed", "output": "fn uniqueOutput"})
    async with opened(tmp_path) as store:
        drafts: list[Draft] = [*turn(1, "ask", "reply", tool, done, Item(id="1.3", kind="notice", text="careful"))]
        drafts.append(mark_draft("clear", 1, summary="it was summarised"))
        log = await store.create(metadata(), drafts)
        await log.close()
        for query, kind in (("lib", "tool"), ("output", "tool"), ("careful", "notice"), ("summaris", "notice")):
            assert await places(store, query) == [(log.id, 1, kind)], query


async def test_an_open_session_is_found_as_soon_as_its_turn_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log = await store.create(metadata(), turn(1, "first"))
        await log.append(turn(2, "second"))
        assert await places(store, "second") == [(log.id, 2, "prompt")]
        started, *rest = turn(3, "third")
        await log.append([started, rest[0]])
        await log.append(rest[1:])
        assert await places(store, "third") == [(log.id, 3, "prompt")]
        await log.close()


async def test_what_a_hand_changed_under_us_is_not_shown_and_is_read_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await make(store, None, "before", "other")
        assert await places(store, "before") == [(session, 1, "prompt")]
        transcript = sessions(tmp_path) / session / "transcript.jsonl"
        transcript.write_bytes(b"\n" * 7 + transcript.read_bytes().replace(b"before", b"afterwards"))
        assert await places(store, "before") == []
        assert await places(store, "afterwards") == [(session, 1, "prompt")]


async def test_sums(tmp_path: Path) -> None:
    tool = Item(id="2.2", kind="tool", name="t", input={}, status="completed", output="o")
    async with opened(tmp_path) as store:
        log = await store.create(metadata(), [*turn(1, "a", "b"), *turn(2, "c", "d", tool)])
        fork = await store.fork(log, 2, metadata(forked_from={"session_id": log.id, "turn": 2}))
        for use in (await store.index.use(), await store.index.use(log.id), await store.index.use(fork.id)):
            (row,) = use.rows
            assert (row.model, row.day, row.turns, row.user_messages, row.assistant_messages) == (
                *("m1", "2026-01-02", 2, 2),
                2,
            )
            assert (row.tool_calls, row.tool_results, row.usage.input_tokens, row.priced) == (1, 1, 20, 0)
        assert (await store.index.use()).sessions == 2
        await log.close()
        await fork.close()


async def test_a_long_line_is_not_held_and_its_beginning_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await make(store, None, "needle " + "x" * 3_000_000, "after it")
        assert await places(store, "needle") == [(session, 1, "prompt")]
        assert await places(store, "after") == [(session, 2, "prompt")]
