"""Roots that are moved, copied and made anew: whose sessions are whose, and that none is lost wherever we end."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentd.errors import StoreFailed
from agentd.folder import make_project, set_project_id
from agentd.paths import project_dir
from agentd.store import moved, open_store
from agentd.store.files import Files
from tests.store.support import new_metadata, whole_turn

pytestmark = pytest.mark.anyio


@dataclass
class Place:
    """A data directory, and roots beside it."""

    base: Path
    held: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.base / "data"

    def root(self, name: str) -> Path:
        path = self.base / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def project(self, root: Path) -> Path:
        return Path(project_dir(str(self.data), str(root)))

    @contextmanager
    def hold(self, project: Path) -> Iterator[None]:
        self.held.append(project.name)
        yield

    def settle(self, root: Path, files: Files | None = None) -> moved.Settled:
        project = self.project(root)
        project.mkdir(parents=True, exist_ok=True)
        return moved.settle(files or Files(), project, str(root), self.hold, set_project_id)

    async def started(self, root: Path, new: int = 0) -> set[str]:
        """What a daemon of this root does: settle, start, make so many sessions, end. The sessions that it lists."""
        settled = self.settle(root)
        store = open_store(self.data, root)
        if not settled.certain:
            store.leave_unidentified()
        try:
            await store.start()
            for _ in range(new):
                make_project(root, settled.project_id)
                log = await store.create(new_metadata(), whole_turn(1))
                await log.close()
            return {one.id for one in await store.list_metadata()}
        finally:
            await store.close()

    def said(self, root: Path) -> str | None:
        value = json.loads((self.project(root) / "project.json").read_text()).get("project_id")
        return value if isinstance(value, str) else None


def identity(root: Path) -> str:
    return (root / ".agentd" / "project-id").read_text().strip()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_moved_root_keeps_its_sessions(place: Place) -> None:
    old = place.root("old")
    kept = await place.started(old, new=3)
    project_id = identity(old)
    (place.project(old) / "index.sqlite3").write_text("derived")
    (place.project(old) / "ledger.jsonl").write_text("kept too")
    new = old.rename(place.base / "new")
    assert await place.started(new) == kept
    assert place.said(new) == project_id == identity(new)
    assert place.held == [place.project(old).name]
    assert (place.project(new) / "ledger.jsonl").read_text() == "kept too"
    assert not place.project(old).exists()
    index = place.project(new) / "index.sqlite3"
    assert not index.exists() or index.read_bytes() != b"derived"
    # And back, and on: without limit.
    back = new.rename(old)
    assert await place.started(back, new=1) > kept
    assert place.settle(back) == moved.Settled(project_id)


async def test_a_copied_root_gets_its_own(place: Place) -> None:
    original = place.root("original")
    kept = await place.started(original, new=2)
    copy = Path(shutil.copytree(original, place.base / "copy"))
    settled = place.settle(copy)
    assert "is a copy of" in settled.notes[0] and str(original) in settled.notes[0]
    assert identity(copy) != identity(original) and place.said(copy) == identity(copy)
    own = await place.started(copy, new=1)
    assert len(own) == 1 and not own & kept
    assert await place.started(original) == kept and place.held == []
    # Each keeps its own when it is moved afterwards.
    for root, sessions in ((copy, own), (original, kept)):
        shutil.move(root, f"{root}-moved")
        assert await place.started(root.with_name(f"{root.name}-moved")) == sessions


async def test_a_copy_whose_id_cannot_be_written_is_none_of_the_originals(place: Place) -> None:
    original = place.root("original")
    kept = await place.started(original, new=1)
    copy = Path(shutil.copytree(original, place.base / "copy"))

    def refuse(root: Path, project_id: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    project = place.project(copy)
    project.mkdir(parents=True)
    settled = moved.settle(Files(), project, str(copy), place.hold, refuse)
    assert "could not be written: Permission denied" in settled.notes[0]
    assert place.said(copy) == settled.project_id != identity(original)
    assert await place.started(copy) == set() and identity(copy) == settled.project_id
    assert await place.started(original) == kept


async def test_a_new_project_at_an_old_path_gets_none_of_the_old_ones(place: Place) -> None:
    path = place.root("path")
    kept = await place.started(path, new=2)
    away = path.rename(place.base / "away")
    make_project(place.root("path"))
    assert await place.started(path) == set()
    own = await place.started(path, new=1)
    assert len(own) == 1
    assert await place.started(away) == kept
    assert await place.started(path) == own
    assert len(list((place.data / "projects").iterdir())) == 2


async def test_the_old_one_comes_back_to_its_path(place: Place) -> None:
    path = place.root("path")
    kept = await place.started(path, new=1)
    away = path.rename(place.base / "away")
    make_project(place.root("path"))
    own = await place.started(path, new=1)
    other = path.rename(place.base / "other")
    away.rename(path)
    assert await place.started(path) == kept
    assert await place.started(other) == own


async def test_a_fresh_clone_at_the_same_path_keeps_the_paths_sessions(place: Place) -> None:
    path = place.root("path")
    kept = await place.started(path, new=2)
    project_id = identity(path)
    for left in (None, b"", b"\0rubbish\n", b"two\nlines\n"):
        shutil.rmtree(path)
        place.root("path")
        if left is not None:
            make_project(path)
            (path / ".agentd" / "project-id").write_bytes(left)
        assert await place.started(path) == kept
        kept = await place.started(path, new=1)
        assert identity(path) == project_id == place.said(path)
    assert len(kept) == 6


async def test_a_link_or_pipe_for_an_id_is_none(place: Place) -> None:
    path, other = place.root("path"), place.root("other")
    kept = await place.started(path, new=1)
    await place.started(other, new=1)
    own = path / ".agentd" / "project-id"
    own.unlink()
    own.symlink_to(other / ".agentd" / "project-id")
    assert await place.started(path, new=1) > kept
    assert own.is_symlink()
    own.unlink()
    os.mkfifo(own)
    assert await place.started(path) > kept
    shutil.rmtree(path / ".agentd")
    (path / ".agentd").symlink_to(other / ".agentd")
    assert await place.started(path) > kept and place.held == []


async def test_two_that_are_gone_come_together(place: Place) -> None:
    one, two = place.root("one"), place.root("two")
    first, second = await place.started(one, new=1), await place.started(two, new=2)
    identity_of_one = identity(one)
    projects = place.project(two) / "project.json"
    projects.write_text(json.dumps({"version": 1, "root": str(two), "project_id": identity_of_one}))
    shutil.rmtree(two)
    new = one.rename(place.base / "new")
    assert await place.started(new) == first | second
    assert len(list((place.data / "projects").iterdir())) == 1


async def test_a_session_whose_id_is_taken_stays_where_it_is(place: Place) -> None:
    one, two = place.root("one"), place.root("two")
    first = await place.started(one, new=1)
    await place.started(two, new=1)
    (project_two, session) = place.project(two), next(iter(first))
    shutil.copytree(place.project(one) / "sessions" / session, project_two / "sessions" / session)
    (project_two / "project.json").write_text(json.dumps({"root": str(two), "project_id": identity(one)}))
    shutil.rmtree(two)
    new = one.rename(place.base / "new")
    settled = place.settle(new)
    assert any("1 sessions of" in note and "stay" in note for note in settled.notes)
    assert sum(len(list((path / "sessions").iterdir())) for path in (place.project(new), project_two)
               if (path / "sessions").is_dir()) == 3  # fmt: skip


async def test_one_that_cannot_be_read_keeps_its_sessions_and_is_asked_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = place.root("old")
    kept = await place.started(old, new=1)
    new = Path(shutil.copytree(old, place.base / "new"))
    before = Files.small_file

    def refuse(self: Files, path: Path, most: int) -> bytes:
        if str(path).startswith(str(old)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return before(self, path, most)

    with monkeypatch.context() as patched:
        patched.setattr(Files, "small_file", refuse)
        assert await place.started(new) == set()
        assert place.said(new) is None and "not to be read" in place.settle(new).notes[0]
    shutil.rmtree(old)
    assert await place.started(new) == kept


async def test_damaged_and_newer_records_are_left_alone(place: Place) -> None:
    old = place.root("old")
    kept = await place.started(old, new=1)
    for name, content in (("a", b"\xff{"), ("b", b"[]"), ("c", b'{"project_id": 7}')):
        (place.data / "projects" / name).mkdir()
        (place.data / "projects" / name / "project.json").write_bytes(content)
    newer = place.data / "projects" / "newer"
    (newer / "sessions" / "x").mkdir(parents=True)
    (newer / "project.json").write_text(json.dumps({"version": 99, "root": "/gone", "project_id": identity(old)}))
    assert await place.started(old.rename(place.base / "new")) == kept
    assert (newer / "sessions" / "x").is_dir()


class Dying(Files):
    """Ends the process, so to say, at the ``last`` change that it makes."""

    def __init__(self, last: int) -> None:
        self.left = last

    def _change(self) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1

    def rename(self, source: Path, target: Path) -> None:
        self._change()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._change()
        super().unlink(path)

    def mkdir(self, path: Path) -> None:
        self._change()
        super().mkdir(path)

    def create(self, path: Path) -> int:
        self._change()
        return super().create(path)

    def remove_tree(self, path: Path) -> None:
        self._change()
        super().remove_tree(path)


async def moved_away(place: Place) -> dict[Path, set[str]]:
    old = place.root("old")
    kept = await place.started(old, new=2)
    return {old.rename(place.base / "new"): kept}


async def two_together(place: Place) -> dict[Path, set[str]]:
    one, two = place.root("one"), place.root("two")
    kept = await place.started(one, new=1) | await place.started(two, new=2)
    (place.project(two) / "project.json").write_text(json.dumps({"root": str(two), "project_id": identity(one)}))
    shutil.rmtree(two)
    return {one.rename(place.base / "new"): kept}


async def made_anew(place: Place) -> dict[Path, set[str]]:
    path = place.root("path")
    kept = await place.started(path, new=2)
    away = path.rename(place.base / "away")
    make_project(place.root("path"))
    return {path: set(), away: kept}


async def copied(place: Place) -> dict[Path, set[str]]:
    original = place.root("original")
    kept = await place.started(original, new=1)
    return {Path(shutil.copytree(original, place.base / "copy")): set(), original: kept}


@pytest.mark.parametrize("story", [moved_away, two_together, made_anew, copied])
async def test_a_crash_at_any_point_is_made_good(tmp_path: Path, story: Callable[[Place], "object"]) -> None:
    for last in range(100):
        place = Place(tmp_path / str(last))
        wanted = await story(place)  # type: ignore[misc]
        root = next(iter(wanted))
        try:
            place.settle(root, Dying(last))
        except KeyboardInterrupt:
            for again, sessions in wanted.items():
                assert await place.started(again) == sessions, (last, again)
        else:
            assert last > 1
            return
    raise AssertionError("it never came to its end")


async def test_a_disk_that_refuses_is_told_and_nothing_is_lost(place: Place) -> None:
    class Full(Files):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == "sessions":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().rename(source, target)

    (new, kept), = (await moved_away(place)).items()  # fmt: skip
    with pytest.raises(StoreFailed, match="moved root are; they are all whole: No space left"):
        place.settle(new, Full())
    assert await place.started(new) == kept
