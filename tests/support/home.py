"""A machine of its own for one test: home, data, configuration, runtime directory and a project, in a short path."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "test-key"
MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True)
class Home:
    base: Path

    @property
    def root(self) -> Path:
        return self.base / "project"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def config(self) -> Path:
        return self.base / "config" / "agentd"

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write the user's ``config.toml``."""
        self.config.mkdir(parents=True, exist_ok=True)
        # A session that is named by its model asks that once more: tests that want it say so.
        lines = [f"{name} = {_toml(value)}" for name, value in {"naming": "off", **values}.items()]
        (self.config / "config.toml").write_text("\n".join(lines) + "\n")

    def agent(self, name: str, text: str) -> None:
        """One of the user's profiles."""
        (self.config / "agents").mkdir(parents=True, exist_ok=True)
        (self.config / "agents" / f"{name}.md").write_text(text, encoding="utf-8")

    def write(self, path: str, text: str | bytes) -> Path:
        """A file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def environment(self, **more: str) -> dict[str, str]:
        """For child processes: nothing of whoever runs the tests but the path and what coverage needs."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        return {
            **kept,
            "HOME": str(self.base / "home"),
            "AGENTD_HOME": str(self.data),
            "XDG_CONFIG_HOME": str(self.base / "config"),
            "XDG_CACHE_HOME": str(self.base / "cache"),
            "XDG_DATA_HOME": str(self.base / "share"),
            "XDG_RUNTIME_DIR": str(self.base / "run"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def sessions(self) -> Path:
        """The directory of the project's sessions."""
        (project,) = (self.data / "projects").iterdir()
        return project / "sessions"

    def log(self) -> str:
        """What the daemon has logged."""
        return "".join(path.read_text() for path in (self.data / "projects").glob("*/daemon.log"))


def _toml(value: Any) -> str:
    """A value in TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


def agentd(*arguments: str) -> list[str]:
    """A command line of ours, as from this source tree."""
    return [sys.executable, "-P", "-m", "agentd", *arguments]


@contextmanager
def make_home(settings: Mapping[str, Any] | None = None) -> Iterator[Home]:
    # Not below pytest's own directory: a socket's path has 103 bytes.
    base = Path(os.path.realpath(tempfile.mkdtemp(prefix="ad-")))
    home = Home(base)
    for part in ("home", "data", "config", "project", "run"):
        (base / part).mkdir(mode=0o700)
    # Quick retries, and few: nothing here is to be waited for.
    home.settings({"retry_seconds": 0.01, "retries": 2, **(settings or {})})
    try:
        yield home
    finally:
        shutil.rmtree(base, ignore_errors=True)
