"""Imports run one way. The tables say what may import what; a new module needs a row before it may import anything."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.repository import PACKAGE, ROOT, Import, imports, modules

BASE = frozenset({"protocol", "errors", "paths", "config", "clock"})
OUTSIDE = BASE | {"core", "context", "folder", "profiles", "store", "models", "tools"}
OWNERS = OUTSIDE | {"session", "tasks", "resends", "workspace", "stream", "turns", "prompting", "making"}
OWNERS |= {"conversation", "importing", "running", "asking", "summing", "naming", "compacting", "removing"}
OWNERS |= {"exporting", "finding", "counting"}

MAY_IMPORT: dict[str, frozenset[str]] = {
    # the bottom: what everything may know
    "protocol": frozenset(),
    "errors": frozenset(),
    "clock": frozenset(),
    "paths": frozenset({"errors"}),
    "config": frozenset({"protocol", "errors", "paths"}),
    # pure
    "core": frozenset({"protocol", "errors"}),
    "rendering": frozenset({"protocol"}),
    # the outside world, each piece by itself
    "context": BASE | {"core"},
    "folder": BASE | {"core"},
    "profiles": BASE | {"core"},
    "store": BASE | {"core"},
    "importing": BASE | {"core", "session"},
    "models": BASE | {"core"},
    "tools": BASE | {"core", "context"},
    # the owner and the loop of a turn: whichever imports the other, never both (no cycles, below)
    "session": OUTSIDE,
    "tasks": frozenset({"errors"}),
    "resends": frozenset(),
    "finding": OUTSIDE | {"session"},
    "workspace": OUTSIDE | {"finding", "session", "tasks", "resends", "turns"},
    "stream": OUTSIDE | {"session", "workspace"},
    "running": OUTSIDE | {"session", "workspace", "stream"},
    "asking": OUTSIDE | {"session", "workspace"},
    "summing": OUTSIDE | {"session", "workspace", "running", "asking"},
    "naming": OUTSIDE | {"session", "workspace"},
    "turns": OUTSIDE | {"session", "workspace", "stream", "running", "asking", "summing", "naming"},
    "making": OUTSIDE | {"workspace"},
    "counting": OUTSIDE | {"workspace"},
    "conversation": OUTSIDE | {"session", "workspace", "making"},
    "prompting": OUTSIDE | {"session", "workspace", "turns", "making"},
    "compacting": OUTSIDE | {"session", "workspace", "running", "asking", "summing", "turns", "prompting"},
    "removing": OUTSIDE | {"session", "workspace"},
    "exporting": OUTSIDE | {"session", "workspace", "rendering"},
    "takeover": frozenset({"errors", "paths", "folder", "store", "hello", "launch"}),
    "server": OWNERS | {"hello", "launch", "takeover"},
    # the client's side knows the protocol and how to reach a daemon, and nothing of what is in it
    "hello": frozenset(),
    "launch": frozenset({"protocol", "errors", "paths", "hello"}),
    "bridge": frozenset({"errors", "paths", "hello", "launch"}),
    "client": frozenset({"protocol", "errors", "paths", "hello", "launch"}),
    # whoever opens a project's store without its daemon does what that does: the lock, and whose sessions are whose
    "api": OWNERS | {"client", "hello", "takeover"},
    # the top
    "cli": OWNERS | {"server", "hello", "launch", "bridge", "client", "api"},
    "__main__": frozenset({"cli", "bridge", "server", "hello"}),
    PACKAGE: frozenset({"client", "api"}),
}

# Modules that stand in one package and belong to another row.
PLACED = {"agentd.server.hello": "hello", "agentd.server.line": "hello", "agentd.server.lock": "hello"}
PLACED |= {"agentd.server.takeover": "takeover"}

ONLY_IN: dict[str, tuple[str, ...]] = {
    "pygls": ("agentd/server/wire*.py",),
    "lsprotocol": ("agentd/server/*.py",),
    "anthropic": ("agentd/models/claude.py", "agentd/models/messages.py"),
    "xllamacpp": ("agentd/models/*.py",),
    "sqlite3": ("agentd/store/*.py",),
    "typer": ("agentd/cli/*.py",),
    "rich": ("agentd/cli/*.py",),
    "prompt_toolkit": ("agentd/cli/*.py",),
}

# Values in, values out: no files, no clock, no event loop, no chance.
PURE = ("core", "protocol", "errors")
PURE_MAY_IMPORT = (
    *("agentd", "base64", "bisect", "collections", "copy", "dataclasses", "difflib", "enum", "functools", "hashlib"),
    *("itertools", "json", "math", "operator", "pydantic", "re", "string", "textwrap", "types", "typing"),
    *("unicodedata", "urllib.parse", "zlib"),
)

# An editor waits for the bridge's start: the interpreter's own light modules, and none of what is named below.
BRIDGE_MAY_IMPORT = ("agentd", "os", "sys", "_signal", "_socket", "_thread", "fcntl", "select")
BRIDGE_NEVER_LOADS = {
    *("anthropic", "anyio", "asyncio", "cattrs", "httpx2", "keyring", "lsprotocol", "platformdirs", "prompt_toolkit"),
    *("pydantic", "pygls", "rich", "typer", "watchdog", "xllamacpp", "json", "pathlib", "re", "subprocess", "typing"),
}


def within(target: str, allowed: tuple[str, ...]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in allowed)


def component(module: str) -> str:
    """The row of a module: the first name below the package, unless it is placed elsewhere."""
    return PLACED.get(module) or module.split(".")[min(1, module.count("."))]


def own(found: Import) -> bool:
    return found.target in modules()


def test_every_module_has_a_row() -> None:
    assert {component(module) for module in modules()} <= MAY_IMPORT.keys(), "add a row to MAY_IMPORT"


def test_imports_run_one_way() -> None:
    wrong = [
        str(found)
        for found in imports()
        if own(found)
        and component(found.target) not in {component(found.module), PACKAGE}
        and component(found.target) not in MAY_IMPORT.get(component(found.module), frozenset())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("level", ["modules", "components"])
def test_there_is_no_cycle(level: str) -> None:
    graph: dict[str, set[str]] = {}
    for found in filter(own, imports()):
        ends = (found.module, found.target)
        source, target = ends if level == "modules" else map(component, ends)
        # Two modules of one package may know each other's types; two packages may not.
        if found.for_types and component(found.module) == component(found.target):
            continue
        # The package's face loads the client on first use; everything may ask it for the version.
        if PACKAGE not in (source, target) and source != target:
            graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_is_imported_in_its_place_only(package: str) -> None:
    wrong = [
        str(found)
        for found in imports()
        if within(found.target, (package,))
        and not any(fnmatch(modules()[found.module], pattern) for pattern in ONLY_IN[package])
    ]
    assert not wrong, f"{package} belongs to {', '.join(ONLY_IN[package])}:\n" + "\n".join(wrong)


def test_every_package_is_declared() -> None:
    """Not only brought by another one: that one may stop bringing it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    declared += ["markdown_it", "yaml"]  # what markdown-it-py and pyyaml install
    known = {re.split(r"[<>=\[; ]", one)[0].replace("-", "_") for one in declared} | sys.stdlib_module_names | {PACKAGE}
    wrong = [str(found) for found in imports() if found.target[0] != "_" and found.target.split(".")[0] not in known]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("pure", PURE)
def test_the_core_does_no_io(pure: str) -> None:
    wrong = [
        str(found)
        for found in imports()
        if component(found.module) == pure and not within(found.target, PURE_MAY_IMPORT)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_bridge_imports_next_to_nothing() -> None:
    bridge = [found for found in imports() if found.module == "agentd.bridge" and not found.for_types]
    assert bridge, "agentd/bridge.py is missing"
    wrong = [str(found) for found in bridge if not within(found.target, BRIDGE_MAY_IMPORT)]
    assert not wrong, "\n".join(wrong)


def test_the_bridge_loads_next_to_nothing() -> None:
    code = "import sys, agentd.bridge; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    loaded = sorted(BRIDGE_NEVER_LOADS & set(done.stdout.split()))
    assert loaded == []
