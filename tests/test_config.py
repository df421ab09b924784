"""The user's settings: each wrong one is named and costs only itself."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.config import CONFIG_FILE, DEFAULTS, Settings, load

GOOD = 'model = "local"\nretries = 2\n'


def loaded(directory: Path, text: str | bytes) -> tuple[Settings, tuple[str, ...]]:
    (directory / CONFIG_FILE).write_bytes(text.encode() if isinstance(text, str) else text)
    return load(directory)


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    assert load(tmp_path) == (Settings(), ())
    assert load(tmp_path / "nowhere") == (Settings(), ())


def test_all_settings(tmp_path: Path) -> None:
    text = """
        model = "claude-opus-5-5"
        base_url = "http://localhost:11434"
        api_key_command = ["pass", "show", "claude"]
        mode = "plan"
        idle_minutes = 0.5
        max_tokens = 100
        thinking = 2048
        retries = 0
        retry_seconds = 0.1
        stall_seconds = 5
        naming = "words"
        compact_at = 1
        context_windows."my/model" = 32768
        prices."my/model" = { input = 1, output = 2.5, cache_read = 0 }
    """
    settings, problems = loaded(tmp_path, text)
    assert problems == ()
    assert settings.model_fields_set == set(Settings.model_fields)
    assert settings.api_key_command == ("pass", "show", "claude")


def test_a_file_of_windows_begins_with_a_bom(tmp_path: Path) -> None:
    assert loaded(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())[1] == ()


def test_a_wrong_row_of_a_table_costs_only_itself(tmp_path: Path) -> None:
    rows = 'prices."a" = "cheap"\nprices."b" = { input = 1, output = 2 }\nprices."c" = { input = -1, output = 2 }\n'
    settings, problems = loaded(tmp_path, GOOD + rows + 'context_windows."a" = 5\ncontext_windows."b" = 5000\n')
    assert (list(settings.prices), settings.context_windows) == (["b"], {"b": 5000})
    assert [problem.split(": ")[1] for problem in problems] == ["prices.a", "prices.c", "context_windows.a"]


@pytest.mark.parametrize(
    "line",
    [
        *("mode = 'fast'", "mode = 1", "idle_minutes = 0", "idle_minutes = -1", "idle_minutes = nan"),
        *("idle_minutes = 'soon'", "max_tokens = 0", "max_tokens = 1.5", "thinking = 12", "thinking = [2048]"),
        *("retry_seconds = 0", "stall_seconds = -inf", "base_url = 5", "base_url = ''", "base_url = 1979-05-27"),
        *("api_key_command = 'pass show'", "api_key_command = [1, 'a', 2]", "api_key_command = [['a']]"),
        *("[mode]\nplan = true", "[[base_url]]\na = 1", "unknown = 1", '"" = 1', '"model_config" = 1'),
        *("[agents.reviewer]\nmode = 'plan'", "base_url.a.b = 1", '"ключ" = { a = [ { b = 1 } ] }'),
    ],
)
def test_a_wrong_setting_costs_only_itself(tmp_path: Path, line: str) -> None:
    settings, problems = loaded(tmp_path, GOOD + line)
    assert settings == Settings(model="local", retries=2)
    (problem,) = problems
    name = line.lstrip("[").split()[0].split("]")[0].split(".")[0].strip('"')
    assert problem.startswith(f"{tmp_path / CONFIG_FILE}: {name}: ")


def test_several_wrong_settings_are_all_named(tmp_path: Path) -> None:
    settings, problems = loaded(tmp_path, GOOD + "mode = 1\nmax_tokens = 'x'\ncolour = 'red'\n")
    assert settings == Settings(model="local", retries=2)
    assert len(problems) == 3
    assert "no such setting; known: model, base_url" in problems[2]


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    """It may be a key that somebody put in the wrong place."""
    _, problems = loaded(tmp_path, "api_key = 'sk-ant-secret'\nmode = 'sk-ant-secret'")
    assert len(problems) == 2
    assert "sk-ant" not in " ".join(problems)


@pytest.mark.parametrize(
    "text",
    [
        *("mode = ", "= 1", "mode = 'a'\nmode = 'b'", b"mode = '\xff'", b"\0", "a = " + "[" * 100_000),
        *("a = " + "{a = " * 100_000, "max_tokens = " + "9" * 5000, "[" * 100_000, "a." * 300 + "a = 1"),
    ],
)
def test_a_file_that_is_no_toml_leaves_the_defaults(tmp_path: Path, text: str | bytes) -> None:
    settings, problems = loaded(tmp_path, text)
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].startswith(str(tmp_path / CONFIG_FILE))


def test_a_file_that_cannot_be_read_leaves_the_defaults(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).mkdir()
    assert load(tmp_path) == (Settings(), (f"{tmp_path / CONFIG_FILE}: Is a directory. {DEFAULTS}",))


names = st.sampled_from([*Settings.model_fields, "a", "model_fields"])
odd = st.one_of(st.integers(), st.booleans(), st.floats(), st.text(alphabet="a'\"\\\n[]{}=.#é\x00", max_size=6))


@settings(deadline=None)
@given(st.lists(st.tuples(names, st.one_of(odd, st.lists(odd, max_size=2))), max_size=5), st.text(max_size=10))
def test_no_file_raises(lines: list[tuple[str, object]], rest: str) -> None:
    import tempfile

    text = "".join(f"{name} = {value!r}\n" for name, value in lines) + rest
    with tempfile.TemporaryDirectory() as directory:
        loaded(Path(directory), text.encode("utf-8", "replace"))
