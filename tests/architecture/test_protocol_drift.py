"""What is generated from the protocol is up to date, and TypeScript accepts it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.architecture.repository import ROOT

CLIENT = ROOT / "vscode-client"


def run(*command: str | os.PathLike[str]) -> None:
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_files_are_up_to_date() -> None:
    run(sys.executable, ROOT / "scripts" / "generate.py", "--check")


def test_the_generated_types_use_no_any() -> None:
    generated = (CLIENT / "src" / "protocol.gen.ts").read_text(encoding="utf-8")
    assert not [
        line for line in generated.splitlines() if line.lstrip()[:1] not in ("/", "*") and "any" in line.split()
    ]


def test_typescript_is_strict() -> None:
    assert json.loads((CLIENT / "tsconfig.json").read_text(encoding="utf-8"))["compilerOptions"]["strict"] is True
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    compiler = CLIENT / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: run `npm ci` in vscode-client")
    run(compiler, "--noEmit", "-p", CLIENT)
