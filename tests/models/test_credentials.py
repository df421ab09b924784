"""Where a key comes from, where it is kept, and that it is seen nowhere else. The keyrings here are real backends."""

import asyncio
import logging
import os
import stat
import threading
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from agentd.config import Settings
from agentd.errors import InvalidParams, ModelUnavailable, StoreFailed
from agentd.models import vault
from agentd.models.credentials import Credentials

pytestmark = pytest.mark.anyio

KEPT = "sk-kept-0123456789"
LIMIT = 10.0


class MemoryKeyring(KeyringBackend):
    """Keeps what it is given, in this process."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class ForgetfulKeyring(MemoryKeyring):
    """Takes everything and keeps nothing, as keyring's null backend does."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return


class LockedKeyring(MemoryKeyring):
    """Asks on a screen that nobody sees: answers when it is unlocked."""

    def __init__(self) -> None:
        super().__init__()
        self.unlocked = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.unlocked.wait(LIMIT)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.unlocked.wait(LIMIT)
        super().set_password(service, username, password)


def use(backend: KeyringBackend) -> None:
    """Until the test ends: the fixture of all model tests puts the old one back."""
    keyring.set_keyring(backend)


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(Settings(), tmp_path / "data")


async def test_with_nothing_there_is_none(credentials: Credentials) -> None:
    assert await credentials.find({}) is None
    assert await credentials.status({}) is None
    assert credentials.known({}) is False


@pytest.mark.parametrize(
    ("environment", "key", "source", "bearer"),
    [
        ({"ANTHROPIC_API_KEY": " sk-a "}, "sk-a", "ANTHROPIC_API_KEY", False),
        ({"ANTHROPIC_AUTH_TOKEN": "t"}, "t", "ANTHROPIC_AUTH_TOKEN", True),
        ({"ANTHROPIC_API_KEY": "sk-a", "ANTHROPIC_AUTH_TOKEN": "t"}, "sk-a", "ANTHROPIC_API_KEY", False),
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "t"}, "t", "ANTHROPIC_AUTH_TOKEN", True),
    ],
)
async def test_the_prompting_clients_environment_comes_first(
    credentials: Credentials, environment: dict[str, str], key: str, source: str, bearer: bool
) -> None:
    await credentials.set("anthropic", KEPT)
    found = await credentials.find(environment)
    assert found is not None
    assert (found.key, found.source, found.bearer) == (key, source, bearer)
    assert key not in repr(found).replace("ANTHROPIC_AUTH_TOKEN", "")
    assert credentials.known(environment)


async def test_without_a_keyring_it_is_kept_in_a_file_for_the_user_alone(
    credentials: Credentials, tmp_path: Path
) -> None:
    assert await credentials.set("anthropic", f" {KEPT}\n") == "credentials.json"
    file = tmp_path / "data" / vault.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    found = await credentials.find({})
    assert found is not None
    assert (found.key, found.source) == (KEPT, "credentials.json")
    assert credentials.known({})
    assert await credentials.status({}) == "credentials.json"
    assert await credentials.unset("anthropic") is True
    assert not file.exists()
    assert await credentials.find({}) is None
    assert await credentials.unset("anthropic") is False
    assert [path.name for path in file.parent.iterdir()] == []


async def test_the_keyring_is_preferred_and_takes_over_from_the_file(credentials: Credentials, tmp_path: Path) -> None:
    await credentials.set("anthropic", "sk-old")
    backend = MemoryKeyring()
    use(backend)
    assert await credentials.set("anthropic", KEPT) == "the keyring"
    assert list(backend.kept.values()) == [KEPT]
    assert not (tmp_path / "data" / vault.FILE).exists()
    assert await credentials.status({}) == "the keyring"
    assert await credentials.set("anthropic", "") is None
    assert backend.kept == {}
    assert await credentials.find({}) is None


async def test_a_key_in_the_keyring_is_known_once_it_was_looked_for(credentials: Credentials) -> None:
    backend = MemoryKeyring()
    backend.kept["agentd", "anthropic"] = KEPT
    use(backend)
    assert credentials.known({}) is False
    await credentials.refresh()
    assert credentials.known({}) is True


async def test_a_keyring_that_forgets_is_not_trusted(credentials: Credentials) -> None:
    use(ForgetfulKeyring())
    assert await credentials.set("anthropic", KEPT) == "credentials.json"


async def test_a_keyring_that_hangs_holds_nobody_up(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_KEYRING_SECONDS", 0.1)
    backend = LockedKeyring()
    use(backend)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with asyncio.timeout(LIMIT / 2):
        assert await credentials.set("anthropic", KEPT) == "credentials.json"
        found = await credentials.find({})
    ticking.cancel()
    backend.unlocked.set()
    assert found is not None
    assert found.source == "credentials.json"
    assert ticks > 10


@pytest.mark.parametrize("key", ["sk one", "sk-one\nsk-two", "sk-é", "sk-\x00"])
async def test_what_is_no_key_is_not_kept(credentials: Credentials, key: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        await credentials.set("anthropic", key)
    assert "sk" not in str(caught.value).replace("asked", "")
    assert await credentials.find({}) is None


async def test_an_unknown_provider_is_named(credentials: Credentials) -> None:
    with pytest.raises(InvalidParams, match="'openai'"):
        await credentials.set("openai", KEPT)


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StoreFailed, match="Failed to save the key") as caught:
        await Credentials(Settings(), tmp_path / "data").set("anthropic", KEPT)
    assert KEPT not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "not json", '{"anthropic": 5}', "\xff"])
async def test_a_damaged_file_is_an_empty_one(credentials: Credentials, tmp_path: Path, content: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / vault.FILE).write_bytes(content.encode("latin-1"))
    assert await credentials.find({}) is None
    assert await credentials.set("anthropic", KEPT) == "credentials.json"


def by_command(tmp_path: Path, script: str) -> Credentials:
    return Credentials(Settings(api_key_command=("/bin/sh", "-c", script)), tmp_path / "data")


async def test_the_first_line_of_the_command_is_the_key(tmp_path: Path) -> None:
    credentials = by_command(tmp_path, f"echo '  {KEPT} '; echo more; echo noise >&2")
    found = await credentials.find({})
    assert found is not None
    assert (found.key, found.source) == (KEPT, "api_key_command")
    assert credentials.known({})


async def test_the_command_runs_once_for_all_who_ask(tmp_path: Path) -> None:
    credentials = by_command(tmp_path, f"echo run >> {tmp_path}/runs; echo {KEPT}")
    found = await asyncio.gather(*(credentials.find({}) for _ in range(5)))
    assert {one.key for one in found if one is not None} == {KEPT}
    await credentials.find({})
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_the_command_sees_the_prompting_clients_path(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "show-key"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho {KEPT}\n")
    tool.chmod(0o755)
    credentials = by_command(tmp_path, "show-key")
    found = await credentials.find({"PATH": f"{tool.parent}:/usr/bin:/bin"})
    assert found is not None
    assert found.key == KEPT


async def test_what_the_command_said_to_one_environment_is_not_told_to_another(tmp_path: Path) -> None:
    credentials = by_command(tmp_path, f"echo run >> {tmp_path}/runs; echo sk-of-$LANG")
    here, there = {"LANG": "here"}, {"LANG": "there"}
    for _ in range(2):
        found = await asyncio.gather(*(credentials.find(each) for each in (here, there, here)))
        assert [one.key for one in found if one is not None] == ["sk-of-here", "sk-of-there", "sk-of-here"]
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo sk-half-a-secret; echo sk-half-a-secret >&2; exit 3", "exit code 3"),
        ("true", "must be one line"),
        ("echo 'two words'", "must be one line"),
        ("head -c 200000 /dev/zero", "without an end"),
    ],
)
async def test_a_command_that_fails_is_told_without_its_output(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words) as caught:
        await by_command(tmp_path, script).find({})
    assert "api_key_command" in caught.value.message
    assert "sk-half" not in caught.value.message
    assert "two words" not in caught.value.message


async def test_a_command_that_is_missing_is_named(tmp_path: Path) -> None:
    credentials = Credentials(Settings(api_key_command=("/nowhere/show-key",)), tmp_path)
    with pytest.raises(ModelUnavailable, match="show-key: No such file"):
        await credentials.find({})


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentd.models.command._SECONDS", 0.2)
    with pytest.raises(ModelUnavailable, match="longer than"):
        async with asyncio.timeout(LIMIT):
            await by_command(tmp_path, "sleep 1000 & wait").find({})


async def test_an_interrupted_turn_does_not_take_the_key_from_the_others(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    await asyncio.to_thread(os.mkfifo, fifo)
    credentials = by_command(tmp_path, f"cat {fifo}")
    first, second = (asyncio.create_task(credentials.find({})) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.to_thread(fifo.write_text, KEPT + "\n")
    found = await second
    assert found is not None
    assert found.key == KEPT


async def test_a_kept_key_goes_to_no_address_out_of_the_environment(credentials: Credentials) -> None:
    await credentials.set("anthropic", KEPT)
    with pytest.raises(ModelUnavailable, match="ANTHROPIC_BASE_URL"):
        await credentials.find({"ANTHROPIC_BASE_URL": "https://elsewhere.example"})


async def test_the_users_own_endpoint_gets_the_kept_key_or_needs_none(tmp_path: Path) -> None:
    credentials = Credentials(Settings(base_url="http://localhost:11434"), tmp_path / "data")
    found = await credentials.find({})
    assert found is not None
    assert (found.base_url, found.source) == ("http://localhost:11434", "nowhere: none is needed")
    await credentials.set("anthropic", KEPT)
    found = await credentials.find({})
    assert found is not None
    assert (found.base_url, found.key) == ("http://localhost:11434", KEPT)


async def test_no_key_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credentials = by_command(tmp_path, f"echo {KEPT}")
    await credentials.find({})
    await Credentials(Settings(), tmp_path / "data").set("anthropic", KEPT)
    assert KEPT not in caplog.text
