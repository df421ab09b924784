"""Every row of METHODS has a handler, a row in the page for client authors, and a test; and no handler lacks a row."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from agentd.protocol.methods import METHODS
from tests.architecture.repository import ROOT, sources

NAMES = [method.name for method in METHODS]


def test_handlers_are_the_rows() -> None:
    from agentd.server.handlers import HANDLERS

    assert sorted(HANDLERS) == sorted(NAMES)


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_documented(name: str) -> None:
    page = (ROOT / "editors" / "PROTOCOL.md").read_text(encoding="utf-8")
    assert f"### `{name}`\n" in page, "run: python scripts/generate.py"


def test_commands_are_methods_and_documented() -> None:
    from agentd.server.handlers import COMMANDS

    page = (ROOT / "editors" / "PROTOCOL.md").read_text(encoding="utf-8")
    assert set(COMMANDS.values()) <= set(NAMES)
    wrong = [f"| `{command}` | `{method}` |" for command, method in COMMANDS.items()]
    assert [row for row in wrong if row not in page] == [], "add it to scripts/generator/protocol.md"


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_tested(name: str) -> None:
    helpers = "|".join(sorted(map(re.escape, helpers_of(name))))
    called = rf"|(?:await |async with |async for .* in |client\w*\.)(?:\w+\.)*(?:{helpers})\(" if helpers else ""
    pattern = re.compile(rf"""["'`]{re.escape(name)}["'`]""" + called)
    assert any(pattern.search(text) for text in texts()), (
        f"no test sends {name}: mention it in a request, or call one of the client's helpers ({helpers or 'none'})"
    )


@cache
def texts() -> tuple[str, ...]:
    """The text of all tests and scenarios but these, which name every method anyway."""
    return tuple(
        (ROOT / name).read_text(encoding="utf-8")
        for name in sources(".py", ".json", ".toml", ".ts", ".lua", ".el")
        if name.startswith("tests/") and not name.startswith(("tests/architecture/", "tests/support/"))
    )


def helpers_of(method: str) -> set[str]:
    """Functions of the Python client that send this method: by its name, or by calling one that does."""
    sending = {one.name for one in client_functions() if any(has_text(node, method) for node in ast.walk(one))}
    return sending | {one.name for one in client_functions() if any(calls(node, sending) for node in ast.walk(one))}


def client_functions() -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for name in sources(".py"):
        if name.startswith("agentd/client"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield node


def has_text(node: ast.AST, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def calls(node: ast.AST, names: set[str]) -> bool:
    """``self.NAME`` with one of these names."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )
