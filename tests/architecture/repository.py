"""The repository as the architecture tests see it: its files, and which module imports which."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "agentd"


@cache
def files() -> tuple[str, ...]:
    """Every file that is in git or that a careless commit would bring in, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=30).stdout.decode()
    return tuple(sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file()))


def sources(*suffixes: str) -> Iterator[str]:
    return (name for name in files() if name.endswith(suffixes))


@dataclass(frozen=True)
class Import:
    """One import: ``target`` is the dotted module, ``line`` where it stands. Imports inside functions count too.

    ``for_types``: it stands under ``if TYPE_CHECKING``, and never runs.
    """

    module: str
    line: int
    target: str
    for_types: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, str]:
    """The package's modules: dotted name → file. A package's own module has the package's name."""
    return {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in sources(".py")
        if name.startswith(f"{PACKAGE}/")
    }


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in modules() for found in _imports_of(module))


def _imports_of(module: str) -> Iterator[Import]:
    tree = ast.parse((ROOT / modules()[module]).read_text(encoding="utf-8"))
    guarded = {inner for node in ast.walk(tree) if _is_type_check(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(module, node.lineno, alias.name, node in guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            source = node.module or ""
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield Import(module, node.lineno, inner if inner in modules() else source, node in guarded)


def _is_type_check(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
