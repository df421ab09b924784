"""``.agentd/``: with the real git, links in its place, and a watch that tells what changed."""

import asyncio
import os
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from agentd import folder
from agentd.folder import GITIGNORE, ProjectFolder, make_project

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]
SESSION = "1a2b3c4d-0000-4000-8000-000000000001"


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def git(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_git_sees_only_what_a_team_may_share(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    folder = make_project(tmp_path)
    for name in ("agents/reviewer.md", "prompts/fix.md", f"sessions/{SESSION}/plan.md", "chats/a.md", "secret"):
        write(folder / name)
    found = git(tmp_path, "status", "--porcelain", "--ignored", "-uall").splitlines()
    assert [line for line in found if line.startswith("??")] == [
        "?? .agentd/agents/reviewer.md",
        "?? .agentd/prompts/fix.md",
    ]
    assert {line[3:].split("/")[1] for line in found if line.startswith("!!")} == {
        *(".gitignore", "project-id", "sessions", "chats", "secret"),
    }


def test_what_is_there_stays(tmp_path: Path) -> None:
    folder = make_project(tmp_path)
    identity = (folder / "project-id").read_text()
    (folder / ".gitignore").write_text("# ours\n")
    assert make_project(tmp_path) == folder
    assert (folder / "project-id").read_text() == identity
    assert (folder / ".gitignore").read_text() == "# ours\n"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "project-id").stat().st_mode & 0o777 == 0o600


async def test_a_link_in_the_folders_place_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    write(outside / "sessions" / SESSION / "a.md")
    (root / ".agentd").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic link"):
        make_project(root)
    folder = ProjectFolder(root)
    await folder.ensure()
    await folder.watch(lambda _: None)
    assert sorted(path.name for path in outside.iterdir()) == ["sessions"]
    assert await folder.documents(SESSION) == ()
    folder.close()
    (root / ".agentd").unlink()
    (root / ".agentd").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"\.agentd"):
        make_project(root)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["project-id", ".gitignore"])
def test_a_link_in_a_files_place_is_not_followed(tmp_path: Path, name: str) -> None:
    victim = write(tmp_path / "victim", "mine")
    (tmp_path / ".agentd").mkdir()
    (tmp_path / ".agentd" / name).symlink_to(victim)
    make_project(tmp_path)
    assert victim.read_text() == "mine"
    victim.unlink()
    make_project(tmp_path)
    assert not victim.exists()


async def test_a_root_that_cannot_be_written_has_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".agentd").write_text("a file")
    folder = ProjectFolder(tmp_path)
    for _ in range(3):
        await folder.ensure()
    await folder.watch(lambda _: None)
    assert await folder.documents(SESSION) == ()
    assert len(caplog.records) == 1, "said once"
    folder.close()
    # Nobody, root included, makes a directory in /proc.
    await ProjectFolder(Path("/proc/self")).ensure()
    assert len(caplog.records) == 2


async def test_documents_are_regular_files_by_name(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    await folder.ensure()
    directory = tmp_path / ".agentd" / "sessions" / SESSION
    assert await folder.documents(SESSION) == ()
    write(directory / "plan.md", "größe")
    write(directory / "analysis.md")
    for ignored in ("notes.txt", ".hidden.md", ".#plan.md", "md"):
        write(directory / ignored)
    (directory / "dir.md").mkdir()
    (directory / "link.md").symlink_to("/etc/passwd")
    (directory / "lock.md").symlink_to("user@host.123")
    os.mkfifo(directory / "pipe.md")
    os.utime(directory / "plan.md", (0, 1_800_000_000.5))
    analysis, plan = await folder.documents(SESSION)
    assert (analysis.name, plan.name, plan.size) == ("analysis.md", "plan.md", 7)
    assert plan.modified == "2027-01-15T08:00:00.500Z"
    assert plan.uri == (directory / "plan.md").as_uri()
    Path(os.fsdecode(os.fsencode(directory) + b"/\xff.md")).touch()  # noqa: ASYNC240
    os.utime(directory / "analysis.md", (0, 2**40))
    for document in await folder.documents(SESSION):
        document.dump_json()


async def test_the_branch(tmp_path: Path) -> None:
    main, other = tmp_path / "main", tmp_path / "other"
    main.mkdir()
    assert await ProjectFolder(main).branch() is None
    git(main, "init", "-q", "-b", "feature/ü")
    assert await ProjectFolder(main).branch() == "feature/ü"
    git(main, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "m")
    git(main, "worktree", "add", "-q", "-b", "side", str(other))
    assert await ProjectFolder(other).branch() == "side"
    git(main, "checkout", "-q", "--detach")
    assert await ProjectFolder(main).branch() is None
    (main / ".git" / "HEAD").unlink()
    assert await ProjectFolder(main).branch() is None
    os.mkfifo(main / ".git" / "HEAD")
    assert await ProjectFolder(main).branch() is None
    (main / ".git" / "HEAD").unlink()
    (main / ".git" / "HEAD").write_bytes(b"ref: refs/heads/\xff")
    assert await ProjectFolder(main).branch() is None


class Watched:
    """A folder that is watched. What it tells waits in a queue."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = ProjectFolder(root)
        self.sessions = root / ".agentd" / "sessions"
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        await self.folder.watch(self.told.put_nowait)

    async def tells(self, *expected: str) -> None:
        """Each of these is told within a second; the same may be told again."""
        wanted = set(expected)
        with anyio.fail_after(1):
            while wanted:
                wanted.discard(await self.told.get())

    async def settled(self) -> None:
        """What happened before is told: a new change is seen after it, and after its own repetitions."""
        marker = f"marker-{self.told.qsize()}-{len(list(self.sessions.iterdir()))}"
        write(self.sessions / marker / "a.md")
        await self.tells(marker)
        while not self.told.empty():
            self.told.get_nowait()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.folder.close()


async def test_documents_that_come_change_and_go_are_told(watched: Watched) -> None:
    await watched.folder.ensure()
    await watched.start()
    path = write(watched.sessions / SESSION / "plan.md")
    await watched.tells(SESSION)
    await watched.settled()
    path.write_text("more")
    await watched.tells(SESSION)
    await watched.settled()
    temporary = write(watched.root / "new.tmp", "replaced")
    temporary.replace(path)
    await watched.tells(SESSION)
    await watched.settled()
    path.rename(path.with_name("renamed.md"))
    await watched.tells(SESSION)
    await watched.settled()
    path.with_name("renamed.md").unlink()
    await watched.tells(SESSION)


async def test_whole_directories_that_come_and_go_are_told(watched: Watched) -> None:
    await watched.folder.ensure()
    await watched.start()
    write(watched.sessions / "first" / "a.md")
    await watched.tells("first")
    await watched.settled()
    (watched.sessions / "first").rename(watched.sessions / "second")
    await watched.tells("first", "second")
    await watched.settled()
    (watched.sessions / "second").rename(watched.root / "gone")
    await watched.tells("second")


async def test_what_is_no_document_is_not_told(watched: Watched) -> None:
    await watched.folder.ensure()
    await watched.start()
    path = write(watched.sessions / SESSION / "plan.md")
    await watched.tells(SESSION)
    await watched.settled()
    for name in ("agents/a.md", "chats/x/a.md", "others/x/a.md", "sessions/a.md", "sessions/x/y/a.md"):
        write(watched.root / ".agentd" / name)
    write(watched.sessions / SESSION / ".plan.md.swp")
    write(watched.sessions / SESSION / "notes.txt")
    path.read_text()
    write(watched.sessions / "last" / "a.md")
    told = set()
    with anyio.fail_after(1):
        while "last" not in told:
            told.add(await watched.told.get())
    while not watched.told.empty():
        told.add(watched.told.get_nowait())
    assert told == {"last", "x"}, "x is the new directory sessions/x"


async def test_many_changes_are_told_together(watched: Watched) -> None:
    await watched.folder.ensure()
    await watched.start()
    await anyio.to_thread.run_sync(lambda: [write(watched.sessions / SESSION / f"{n}.md") for n in range(200)])
    await watched.tells(SESSION)
    await watched.settled()
    assert watched.told.empty()


async def test_a_folder_that_appears_later_is_watched_from_then_on(watched: Watched) -> None:
    await watched.start()
    await watched.folder.ensure()
    write(watched.sessions / SESSION / "plan.md")
    await watched.tells(SESSION)


async def test_watching_twice_at_once_is_watching_once(watched: Watched) -> None:
    make_project(watched.root)
    before = set(threading.enumerate())
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(watched.start)
    observers = [thread for thread in threading.enumerate() if "Observer" in type(thread).__name__]
    assert len([thread for thread in observers if thread not in before]) == 1


def watching() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "watchdog" in type(thread).__module__}


async def ended(before: set[threading.Thread]) -> None:
    for thread in watching() - before:
        await anyio.to_thread.run_sync(thread.join, 10)
    assert watching() == before


async def test_after_close_no_thread_is_left_and_nothing_is_told(watched: Watched) -> None:
    before = watching()
    make_project(watched.root)
    await watched.start()
    assert watching() > before
    write(watched.sessions / SESSION / "plan.md")
    watched.folder.close()
    watched.folder.close()
    await ended(before)
    await watched.start()
    assert watching() == before
    assert watched.told.empty()


async def test_closing_while_the_watch_begins_leaves_no_thread(watched: Watched) -> None:
    before = watching()
    make_project(watched.root)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.start)
        await anyio.lowlevel.checkpoint()
        watched.folder.close()
    await ended(before)


async def test_a_watch_that_takes_long_to_end_holds_nobody_up(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watching()
    make_project(watched.root)
    await watched.start()
    going_on, end, loops = threading.Event(), folder._end, threading.get_ident()

    def slowly(observer: object) -> None:
        assert threading.get_ident() != loops
        assert going_on.wait(20)
        end(observer)

    monkeypatch.setattr(folder, "_end", slowly)
    watched.folder.close()
    assert watching() > before
    going_on.set()
    await ended(before)


def test_the_gitignore_hides_itself() -> None:
    assert GITIGNORE.startswith("/*\n")
