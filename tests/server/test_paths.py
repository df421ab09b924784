"""Roots, slugs and places."""

import hashlib
import os
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from agentd import paths

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
ROOTS = st.lists(NAMES, max_size=12).map(lambda parts: "/" + "/".join(parts))


@given(ROOTS)
def test_a_slug_is_one_short_file_name(root: str) -> None:
    slug = paths.slug(root)
    assert "/" not in slug
    assert len(os.fsencode(slug)) <= 209
    assert slug.endswith("-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:8])
    # Cut never within a character: what was whole UTF-8 still is.
    os.fsencode(slug).decode("utf-8")
    flat = root.replace("/", "-")
    if len(os.fsencode(flat)) <= 200:
        assert slug[:-9] == flat
    else:
        assert flat.startswith(slug[:-9])
        assert len(os.fsencode(slug[:-9])) > 196


@given(ROOTS, ROOTS)
def test_two_roots_have_two_slugs(one: str, other: str) -> None:
    assert (paths.slug(one) == paths.slug(other)) is (one == other)


def test_slugs_of_awkward_roots() -> None:
    assert paths.slug("/home/user/my-app")[:-9] == "-home-user-my-app"
    assert paths.slug("/a/b-c")[:-9] == paths.slug("/a-b/c")[:-9]
    assert paths.slug("/a/b-c") != paths.slug("/a-b/c")
    assert os.fsencode(paths.slug(os.fsdecode(b"/\xff\xfe" + b"\x80" * 300)))[:4] == b"-\xff\xfe\x80"


def test_the_data_directory_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = os.path.realpath(tmp_path)
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert paths.data_dir({"HOME": home}) == Unix("agentd", appauthor=False).user_data_dir
    assert platformdirs.user_data_dir("agentd", appauthor=False) == paths.data_dir(dict(os.environ))
    monkeypatch.setattr("sys.platform", "darwin")
    assert paths.data_dir({"HOME": home}) == MacOS("agentd", appauthor=False).user_data_dir


def test_the_data_directory_can_be_chosen(tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert paths.data_dir({"AGENTD_HOME": f"{real}/link/a", "XDG_DATA_HOME": "/x"}) == f"{real}/a"
    assert paths.data_dir({"AGENTD_HOME": "", "XDG_DATA_HOME": f"{real}/x", "HOME": "/h"}) == f"{real}/x/agentd"
    assert paths.data_dir({"XDG_DATA_HOME": "relative", "HOME": real}).startswith(real)


def test_the_sockets_directory_is_short_enough() -> None:
    assert paths.socket_dirs({"XDG_RUNTIME_DIR": "/run/user/1"}, "/d") == ("/run/user/1/agentd", "/d/run")
    assert paths.socket_dirs({"XDG_RUNTIME_DIR": ""}, "/d") == ("/d/run",)
    assert paths.socket_dirs({"XDG_RUNTIME_DIR": "rel"}, "/" + "d" * 100) == ()
    # The longest that fits, and one more.
    fit = "/" + "d" * (103 - len("/run/0123456789abcdef-9.sock") - 1)
    assert paths.socket_dirs({}, fit) == (fit + "/run",)
    assert paths.socket_dirs({}, fit + "d") == ()
    assert paths.socket_name("/d", "/r") != paths.socket_name("/d2", "/r") != paths.socket_name("/d2", "/r", 1)


def make(base: Path, *things: str) -> None:
    for thing in things:
        path = base / thing
        if thing.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


ID = ".agentd/project-id"

RULE = [
    ("nothing: the folder itself", ["h/p/a/"], "h/p/a", "h/p/a"),
    ("git above", ["h/p/.git/", "h/p/a/b/"], "h/p/a/b", "h/p"),
    ("git here", ["h/p/.git/", "h/p/a/.git/"], "h/p/a", "h/p/a"),
    ("git is a file in a worktree", ["h/p/.git", "h/p/a/"], "h/p/a", "h/p"),
    ("project-id above", [f"h/p/{ID}", "h/p/a/b/"], "h/p/a/b", "h/p"),
    ("the nearest project-id", [f"h/p/{ID}", f"h/p/a/{ID}", "h/p/a/b/"], "h/p/a/b", "h/p/a"),
    ("a project within a repository", ["h/p/.git/", f"h/p/web/{ID}", "h/p/web/src/"], "h/p/web/src", "h/p/web"),
    ("a .git nearer than a project-id wins", [f"h/p/{ID}", "h/p/sub/.git/", "h/p/sub/x/"], "h/p/sub/x", "h/p/sub"),
    ("both at one level", [f"h/p/{ID}", "h/p/.git/", "h/p/a/"], "h/p/a", "h/p"),
    (".agentd without an id is no mark", ["h/p/.agentd/", "h/p/a/"], "h/p/a", "h/p/a"),
    ("project-id a directory is no mark", [f"h/p/{ID}/", "h/p/a/"], "h/p/a", "h/p/a"),
    ("git in the home directory is not searched", ["h/.git/", "h/p/"], "h/p", "h/p"),
    ("project-id in the home directory neither", [f"h/{ID}", "h/p/a/"], "h/p/a", "h/p/a"),
    ("the home directory itself", ["h/.git/"], "h", "h"),
    ("above the home directory", [".git/", "h/"], ".", "."),
    ("outside the home directory", ["x/.git/", "x/y/"], "x/y", "x"),
    ("a folder that is not there", ["h/"], "h/no/such", "h/no/such"),
]


@pytest.mark.parametrize(("things", "folder", "root"), [row[1:] for row in RULE], ids=[row[0] for row in RULE])
def test_the_root_rule(tmp_path: Path, things: list[str], folder: str, root: str) -> None:
    make(tmp_path, *things)
    found = paths.find_root(str(tmp_path / folder), str(tmp_path / "h"))
    assert found == os.path.realpath(tmp_path / root)


def test_the_root_is_a_real_path(tmp_path: Path) -> None:
    make(tmp_path, "p/.git/", "p/a/")
    (tmp_path / "link").symlink_to(tmp_path / "p" / "a")
    assert paths.find_root(str(tmp_path / "link"), "/nowhere") == os.path.realpath(tmp_path / "p")
    (tmp_path / "home").symlink_to(tmp_path)
    make(tmp_path, ".git/")
    assert paths.find_root(str(tmp_path / "home" / "p" / "a"), str(tmp_path / "home")) == os.path.realpath(
        tmp_path / "p"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_the_search_ends_at_another_owner(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "p/a/")
    for path in (tmp_path / "p", tmp_path / "p" / "a"):
        os.chown(path, 65534, 65534)
    assert paths.find_root(str(tmp_path / "p" / "a"), "/nowhere") == os.path.realpath(tmp_path / "p" / "a")
    make(tmp_path, "p/.git/")
    assert paths.find_root(str(tmp_path / "p" / "a"), "/nowhere") == os.path.realpath(tmp_path / "p")


def test_the_search_ends_at_a_file_system_border() -> None:
    # /proc is another file system than /; were it searched, no harm: this checks that a border is seen as one.
    assert os.stat("/proc/self/fd").st_dev != os.stat("/").st_dev
    assert paths.find_root("/proc/self", "/nowhere").startswith("/proc/")
