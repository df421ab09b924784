"""What must never be in git: addresses of package registries, keys, somebody's sessions, a second set of pins."""

import re

from tests.architecture.repository import ROOT, files

# In pieces, so that this file isn't one that it finds.
REGISTRIES = re.compile(
    rb"(?:pypi|pythonhosted|npmjs|yarnpkg|anaconda|crates)"
    rb"\.(?:org|com|io)|deb\.debian\.org|(?:--|_|^)(?:extra-)?index-url\b",
    re.IGNORECASE | re.MULTILINE,
)
KEYS = re.compile(rb"sk-ant-[a-z]+\d\d-[\w-]{60,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")


def holding(pattern: re.Pattern[bytes]) -> list[str]:
    return [name for name in files() if pattern.search((ROOT / name).read_bytes())]


def test_no_file_holds_the_address_of_a_registry() -> None:
    assert holding(REGISTRIES) == []


def test_no_file_holds_a_key() -> None:
    assert holding(KEYS) == []


def test_the_patterns_find_what_they_look_for() -> None:
    assert REGISTRIES.search(b'"resolved": "https://registry.' + b"npmjs" + b'.org/x.tgz"')
    assert REGISTRIES.search(b"--extra-" + b"index-url https://example.test")
    assert KEYS.search(b"sk-ant-api03-" + b"a" * 80)


def test_nobodys_sessions_are_in_git() -> None:
    assert [name for name in files() if ".agentd" in name.split("/")] == []


def test_versions_are_pinned_in_one_place() -> None:
    assert [name for name in files() if name.rsplit("/", 1)[-1] in ("uv.lock", "poetry.lock", "Pipfile.lock")] == []


def test_the_lock_file_names_no_address() -> None:
    lock = (ROOT / "vscode-client" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
