"""The package's face: light to import, typed, and its modules registered as those of any package are."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points

import agentd
import agentd.api
from agentd.api.builtin import BUILTIN
from tests.support.home import REPOSITORY


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import agentd, agentd.api; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {"agentd", "typing", "collections", "re"} | set(
        sys.stdlib_module_names
    )
    assert {name for name in done.stdout.split() if name.startswith("agentd")} == {"agentd", "agentd.api"}


def test_every_exported_name_is_there() -> None:
    for module in (agentd, agentd.api):
        for name in module.__all__:
            assert getattr(module, name) is not None, name


def test_our_modules_are_entry_points() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    registered = project["entry-points"]
    for group, modules in BUILTIN.items():
        ours = {name: f"{factory.__module__}:{factory.__qualname__}" for name, factory in modules.items()}
        assert registered.get(group, {}) == ours
        installed = {point.name: point.value for point in entry_points(group=group)}
        if installed:  # an installation that is older than the group has none of it yet
            assert installed.items() >= ours.items()


def test_the_package_says_that_it_is_typed() -> None:
    assert (REPOSITORY / "agentd" / "py.typed").exists()
