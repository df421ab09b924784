"""The models that can be named, and which one a new session gets."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from anthropic.types import model as sdk_models

from agentd.config import Settings
from agentd.models.catalog import DEFAULT_CLAUDE, KNOWN
from agentd.models.claude import ClaudeModel
from agentd.models.local import LOCAL_ID, LOCAL_TRAITS, LocalModel
from tests.models.asking import KEY, MakeCatalog, ask, listen
from tests.support.messages_api import MessagesApi, say

pytestmark = pytest.mark.anyio

SDK_MODELS = get_args(get_args(sdk_models.Model)[0])


def test_every_known_model_is_one_of_the_sdks() -> None:
    assert set(KNOWN) <= set(SDK_MODELS)


def test_the_default_is_the_newest_sonnet() -> None:
    assert next(name for name in SDK_MODELS if "sonnet" in name) == DEFAULT_CLAUDE


async def test_traits_of_known_and_unknown_models(make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(Settings())
    sonnet = catalog.traits("claude-sonnet-5-5")
    assert (sonnet.provider, sonnet.context_window, sonnet.max_output) == ("anthropic", 1_000_000, 128_000)
    stranger = catalog.traits("llama-99")
    assert (stranger.id, stranger.provider) == ("llama-99", "anthropic")
    assert (stranger.context_window, stranger.max_output, stranger.tools) == (200_000, 8192, True)
    assert catalog.traits("local") == catalog.traits(LOCAL_ID) == LOCAL_TRAITS
    assert (LOCAL_TRAITS.embedded, LOCAL_TRAITS.tools, LOCAL_TRAITS.context_window) == (True, False, 1024)


async def test_the_user_may_let_a_stranger_speak_longer(make_catalog: MakeCatalog) -> None:
    assert make_catalog(Settings(max_tokens=20_000)).traits("llama-99").max_output == 20_000
    assert make_catalog(Settings(max_tokens=20_000)).traits("claude-haiku-4-5").max_output == 64_000


async def test_an_own_endpoint_is_named_so(make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(Settings(base_url="http://localhost:11434", model="qwen"))
    assert catalog.traits("qwen").provider == "messages"
    assert catalog.traits("local").provider == "local"
    assert next((model.id, model.available) for model in catalog.list({})) == ("qwen", True)


async def test_every_id_has_its_model(make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(Settings())
    assert isinstance(catalog.find("local"), LocalModel)
    assert catalog.find("local") is catalog.find(LOCAL_ID)
    assert isinstance(catalog.find("anything:7b"), ClaudeModel)
    assert catalog.find("anything:7b").traits.id == "anything:7b"


async def test_the_default_is_the_users_else_claude_with_a_key_else_the_embedded_one(
    make_catalog: MakeCatalog,
) -> None:
    assert await make_catalog(Settings(model="claude-opus-5-5")).default({}) == "claude-opus-5-5"
    assert await make_catalog(Settings(model="local")).default({"ANTHROPIC_API_KEY": KEY}) == LOCAL_ID
    assert await make_catalog(Settings(api_key_command=("true",))).default({}) == DEFAULT_CLAUDE
    assert await make_catalog(Settings(base_url="http://localhost:1")).default({}) == DEFAULT_CLAUDE
    catalog = make_catalog(Settings())
    assert await catalog.default({}) == LOCAL_ID
    assert await catalog.default({"ANTHROPIC_API_KEY": KEY}) == DEFAULT_CLAUDE
    assert await catalog.default({"ANTHROPIC_AUTH_TOKEN": KEY}) == DEFAULT_CLAUDE
    await catalog.credentials.set("anthropic", KEY)
    assert await catalog.default({}) == DEFAULT_CLAUDE


async def test_the_list_says_what_is_missing(make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(Settings())
    without = {model.id: model for model in catalog.list({})}
    assert not without[DEFAULT_CLAUDE].available
    assert "agentd key set" in (without[DEFAULT_CLAUDE].reason or "")
    assert not without[LOCAL_ID].available
    assert "agentd model install" in (without[LOCAL_ID].reason or "")
    assert {model.id: model for model in catalog.list({"ANTHROPIC_API_KEY": KEY})}[DEFAULT_CLAUDE].available


async def test_a_chat_through_an_own_endpoint_without_a_key(make_catalog: MakeCatalog) -> None:
    async with MessagesApi([say("hi")]) as api:
        api.rules = type(api.rules)(api_key="none")
        model = make_catalog(Settings(base_url=api.url)).find("qwen")
        assert (await listen(model, ask(model="qwen"), {})).text == "hi"


async def test_warming_up_never_raises(make_catalog: MakeCatalog, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "credentials.json").write_text('{"anthropic": "no key"}')
    await make_catalog(Settings()).warm()
    await make_catalog(Settings(api_key_command=("/nowhere",))).warm()


def test_naming_models_imports_nothing_heavy() -> None:
    script = """
import sys
from pathlib import Path
from agentd.config import Settings
from agentd.models.catalog import ModelCatalog
catalog = ModelCatalog(Settings(), Path("/nowhere"))
catalog.list({}), catalog.find("claude-sonnet-5-5")
heavy = {"anthropic", "httpx2", "httpcore2", "keyring", "xllamacpp"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
