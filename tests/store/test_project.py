"""The project's own directory: who may read it, and what ``project.json`` says of the root."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from agentd import launch
from agentd.paths import project_dir
from agentd.store import open_store
from agentd.store.files import Files
from tests.store.support import FailingFiles, a_session, a_store, new_metadata

pytestmark = pytest.mark.anyio


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def started(data: Path, root: Path) -> None:
    store = open_store(data, root)
    try:
        await store.start()
        assert store.problems == ()
    finally:
        await store.close()


@pytest.mark.parametrize("loose", [0o755, 0o777, 0o750, 0o701])
async def test_directories_that_others_may_read_are_closed_to_them(tmp_path: Path, loose: int) -> None:
    data, root = tmp_path / "above" / "data", tmp_path / "root"
    project = Path(project_dir(str(data), str(root)))
    (project / "sessions").mkdir(parents=True)
    ours = [data, data / "projects", project, project / "sessions"]
    for directory in (data.parent, *ours):
        directory.chmod(loose)
    await started(data, root)
    assert [oct(rights(directory)) for directory in ours] == ["0o700"] * 4
    assert rights(data.parent) == loose


async def test_a_store_makes_what_is_missing_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await started(tmp_path / "data", tmp_path / "root")
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "data", *(tmp_path / "data").rglob("*")) if path.is_dir()]
    assert len(made) == 4 and {rights(path) for path in made} == {0o700}


def test_a_strangers_directory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    Files().make_private(tmp_path)
    launch._make_private(str(tmp_path))
    assert rights(tmp_path) == 0o755


def test_nobody_hears_of_rights_that_cannot_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    Files().make_private(tmp_path)
    Files().make_private(tmp_path / "missing")
    launch._make_private(str(tmp_path))


def test_who_starts_a_daemon_makes_and_tightens_the_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    root.mkdir()
    data.mkdir()
    data.chmod(0o755)

    def start(*_: object) -> None:
        raise launch.LaunchFailed("far enough")

    monkeypatch.setattr(launch, "_start", start)
    before = os.umask(0)
    try:
        with pytest.raises(launch.LaunchFailed, match="far enough"):
            launch.attach(str(root), {"AGENTD_HOME": str(data)})
    finally:
        os.umask(before)
    project = Path(project_dir(str(data), str(root)))
    assert [rights(path) for path in (data, data / "projects", project)] == [0o700] * 3


def said(directory: Path) -> object:
    return json.loads((directory / "project" / "project.json").read_text()).get("project_id")


def identity(directory: Path) -> Path:
    path = directory / "root" / ".agentd" / "project-id"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


async def test_the_projects_id_is_on_record(tmp_path: Path) -> None:
    identity(tmp_path).write_text("4f5c-id\n")
    async with a_store(tmp_path):
        assert said(tmp_path) == "4f5c-id"
    identity(tmp_path).unlink()
    async with a_store(tmp_path):
        # What is known is not forgotten.
        assert said(tmp_path) == "4f5c-id"
        assert json.loads((tmp_path / "project" / "project.json").read_text())["root"] == str(tmp_path / "root")


async def test_an_id_that_is_given_later_is_on_record_from_the_first_session_on(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        assert said(tmp_path) is None
        await a_session(store)
        assert said(tmp_path) is None
        identity(tmp_path).write_text("given-later\n")
        await a_session(store)
        assert said(tmp_path) == "given-later" and store.problems == ()


async def test_an_id_that_cannot_be_recorded_costs_no_session(tmp_path: Path) -> None:
    disk = FailingFiles()
    async with a_store(tmp_path, disk) as store:
        identity(tmp_path).write_text("an-id\n")
        disk.fails = {"rename": (0, errno.EIO)}
        store._identity.settle()
        disk.fails = {}
        await store.create(new_metadata(), [])
        assert said(tmp_path) == "an-id"


@pytest.mark.parametrize("what", ["link", "pipe", "directory", "long", "empty", "garbage"])
async def test_what_is_no_id_is_not_taken_for_one(tmp_path: Path, what: str) -> None:
    path = identity(tmp_path)
    if what == "link":
        (tmp_path / "elsewhere").write_text("an-id\n")
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    else:
        path.write_bytes({"long": b"x" * 101, "empty": b"", "garbage": b"a\xff\0b\n"}[what])
    async with a_store(tmp_path) as store:
        await a_session(store)
        assert said(tmp_path) is None and store.problems == ()
