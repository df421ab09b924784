"""Roots of which it is not certain that they moved: lost ids, disks that are not mounted, links. Nothing is taken."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from agentd.folder import make_project
from agentd.store.files import Files
from tests.store.test_moved import Place, identity, moved_away

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_the_original_lost_its_id(place: Place) -> None:
    """As `git clean -fdx` does it."""
    original = place.root("original")
    kept = await place.started(original, new=2)
    copy = Path(shutil.copytree(original, place.base / "copy"))
    for left in (None, b"", b"two\nlines\n"):
        shutil.rmtree(original / ".agentd")
        if left is not None:
            make_project(original)
            (original / ".agentd" / "project-id").write_bytes(left)
        settled = place.settle(copy)
        assert not settled.certain and f"{original}, which is there, and has lost its project id" in settled.notes[0]
        make_project(original)
    shutil.rmtree(original / ".agentd")
    own = await place.started(copy, new=1)
    assert place.held == [] and place.said(copy) is None
    assert await place.started(original) == kept
    # With the next session the original has its id again, and the copy is known as one.
    kept = await place.started(original, new=1)
    assert await place.started(copy) == own and identity(copy) != identity(original)
    assert await place.started(original) == kept


async def test_a_directory_in_the_originals_place_goes_and_the_sessions_come(place: Place) -> None:
    old = place.root("old")
    kept = await place.started(old, new=1)
    new = old.rename(place.base / "new")
    place.root("old")
    own = await place.started(new, new=1)
    assert not own & kept
    old.rmdir()
    assert await place.started(new) == own | kept


class Disks:
    """Which mount points there are, by ``Files``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *mounted: Path) -> None:
        self.mounted = set(mounted)
        monkeypatch.setattr(Files, "is_mount", lambda _, path: path in self.mounted)


@pytest.mark.parametrize("left", ["nothing", "mount point", "another project"])
async def test_an_original_on_a_disk_that_is_not_mounted_is_not_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    stick = place.root("stick")
    disks = Disks(monkeypatch, stick)
    original = place.root("stick/original")
    kept = await place.started(original, new=2)
    # Its times too, as backups do it.
    copy = Path(shutil.copytree(original, place.base / "copy"))
    away = stick.rename(place.base / "drawer")
    disks.mounted.clear()
    if left == "mount point":
        stick.mkdir()
    elif left == "another project":
        make_project(place.root("stick/original"))
    settled = place.settle(copy)
    assert f"{original}, which is on a disk that is not mounted now" in settled.notes[0] and not settled.certain
    assert await place.started(copy) == set() and place.said(copy) is None and place.held == []
    shutil.rmtree(stick, ignore_errors=True)
    away.rename(stick)
    disks.mounted.add(stick)
    assert await place.started(copy) == set() and identity(copy) != identity(original)
    assert await place.started(original) == kept
    # Where it is mounted, what is not there is gone.
    assert await place.started(original.rename(stick / "renamed")) == kept


async def test_a_disk_that_is_mounted_elsewhere_brings_its_sessions(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = place.root("stick")
    disks = Disks(monkeypatch, stick)
    kept = await place.started(place.root("stick/original"), new=2)
    elsewhere = stick.rename(place.base / "stick1")
    disks.mounted = {elsewhere}
    assert await place.started(elsewhere / "original") == kept


async def test_nothing_is_taken_through_a_link(place: Place) -> None:
    old = place.root("old")
    kept = await place.started(old, new=1)
    link, target = place.project(old), place.base / "elsewhere"
    link.rename(target)
    link.symlink_to(target)
    copy = Path(shutil.copytree(old, place.base / "copy"))
    assert "is a copy of" in place.settle(copy).notes[0] and await place.started(old) == kept
    new = old.rename(place.base / "new")
    settled = place.settle(new)
    assert not settled.certain and f"in the place of the link {link.name}" in settled.notes[0]
    assert await place.started(new) == set() and place.held == []
    link.unlink()
    (link.parent / "loop").symlink_to("loop")
    target.rename(link)
    assert await place.started(new) == kept


async def test_sessions_that_are_kept_elsewhere_move_by_their_link(place: Place) -> None:
    old = place.root("old")
    kept = await place.started(old, new=1)
    sessions, target = place.project(old) / "sessions", place.base / "elsewhere"
    sessions.rename(target)
    sessions.symlink_to(target)
    new = old.rename(place.base / "new")
    assert await place.started(new) == kept
    assert (place.project(new) / "sessions").is_symlink() and not place.project(old).exists()


async def test_a_project_on_another_disk_stays_there_and_the_start_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new, kept), = (await moved_away(place)).items()  # fmt: skip
    old, before = place.project(place.base / "old"), Files.rename

    def refuse(self: Files, source: Path, target: Path) -> None:
        if source.parent == old and target.parent != old:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        before(self, source, target)

    with monkeypatch.context() as patched:
        patched.setattr(Files, "rename", refuse)
        settled = place.settle(new)
        assert not settled.certain and f"{old.name} is on another disk than" in settled.notes[0]
        own = await place.started(new, new=1)
    assert len(own) == 1 and await place.started(new) == own | kept


async def test_that_a_store_was_closed_in_order_is_not_said_of_sessions_that_come_to_it(place: Place) -> None:
    old = place.root("old")
    await place.started(old, new=1)
    (place.project(old) / "closed").unlink()
    new = place.root("new")
    await place.started(new)
    assert (place.project(new) / "closed").exists()
    shutil.rmtree(new)
    place.settle(old.rename(new))
    assert not (place.project(new) / "closed").exists()
