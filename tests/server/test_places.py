"""The lock and the socket: what is in the way blocks nothing, and what is a stranger's is left alone."""

# Nothing else runs in a test's loop that a look at the disk could keep waiting.
# ruff: noqa: ASYNC240

import os
import socket
import stat
from pathlib import Path

import pytest

from agentd import paths
from agentd.server.daemon import Daemon
from agentd.server.listener import Listener, tidy
from agentd.server.lock import Held, Lock, read_note
from tests.server.client import Client
from tests.server.conftest import Edge

ROOT = "/some/root"


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data"
    path.mkdir()
    return str(path)


def listen(data: str, **env: str) -> str:
    """Where a listener would be."""
    listener = Listener(data, ROOT, env)
    try:
        assert listener.intact()
        state = os.stat(listener.path)
        assert stat.S_ISSOCK(state.st_mode)
        assert state.st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(listener.path)).st_mode & 0o777 == 0o700
    finally:
        listener.close()
    assert not os.path.exists(listener.path)
    return listener.path


def test_a_lock_is_held_by_one_and_let_go_by_close(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = Lock(path)
    with pytest.raises(Held):
        Lock(path)
    lock.note({"socket": "/a/rather/long/path", "pid": 1})
    lock.note({"socket": "/s"})
    assert read_note(path) == {"socket": "/s"}
    assert os.stat(path).st_mode & 0o777 == 0o600
    lock.close()
    Lock(path).close()


def test_a_lock_whose_file_is_gone_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = Lock(str(path))
    assert lock.current()
    path.unlink()
    assert not lock.current()
    other = Lock(str(path))
    assert not lock.current()
    other.close()
    lock.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"socket":5}', b"\0" * 70000])
def test_a_garbled_note_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert not isinstance(read_note(str(path)).get("socket"), str)
    assert read_note(str(tmp_path)) == {}
    assert read_note(str(tmp_path / "none")) == {}


def test_the_runtime_directory_is_preferred_if_it_is_ours(data: str, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    name = paths.socket_name(data, ROOT)
    assert listen(data, XDG_RUNTIME_DIR=str(runtime)) == f"{runtime}/agentd/{name}"
    assert listen(data, XDG_RUNTIME_DIR=str(tmp_path / "none" / "such")) == f"{data}/run/{name}"
    assert not (tmp_path / "none").exists()
    assert listen(data) == f"{data}/run/{name}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_runtime_directory_of_another_user_is_not_used(data: str, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.chown(runtime, 65534, 65534)
    assert listen(data, XDG_RUNTIME_DIR=str(runtime)).startswith(data)
    os.chown(runtime, 0, 0)
    (runtime / "agentd").mkdir()
    os.chown(runtime / "agentd", 65534, 65534)
    assert listen(data, XDG_RUNTIME_DIR=str(runtime)).startswith(data)


def test_a_link_in_the_directorys_place_is_not_followed(data: str, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    (runtime / "agentd").symlink_to(tmp_path)
    assert listen(data, XDG_RUNTIME_DIR=str(runtime)).startswith(data)


def test_a_dead_socket_is_removed(data: str) -> None:
    path = listen(data)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    assert listen(data) == path


def test_a_strangers_file_is_left_alone(data: str) -> None:
    path = listen(data)
    Path(path).write_text("precious")
    assert listen(data) == path.replace(".sock", "-1.sock")
    assert Path(path).read_text() == "precious"
    os.unlink(path)
    os.mkdir(path)
    assert listen(data) == path.replace(".sock", "-1.sock")
    os.rmdir(path)
    os.symlink("/nowhere", path)
    assert listen(data) == path.replace(".sock", "-1.sock")


def test_a_socket_on_which_somebody_listens_is_left_alone(data: str) -> None:
    path = listen(data)
    alive = socket.socket(socket.AF_UNIX)
    alive.bind(path)
    alive.listen()
    assert listen(data) == path.replace(".sock", "-1.sock")
    assert os.path.exists(path)
    alive.close()


def test_too_deep_a_data_directory_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    path = listen(str(deep))
    assert len(os.fsencode(path)) <= paths.MAX_SOCKET
    assert not os.path.exists(os.path.dirname(path))


def test_the_directory_of_a_killed_daemon_is_tidied(tmp_path: Path) -> None:
    directory = tmp_path / "agentd-x"
    directory.mkdir(mode=0o700)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(directory / "s.sock"))
    dead.close()
    tidy(str(directory / "s.sock"))
    assert not directory.exists()
    # What is no directory of that kind stays, whatever a lock file says.
    (tmp_path / "mine").mkdir()
    tidy(str(tmp_path / "mine" / "s.sock"))
    assert (tmp_path / "mine").exists()


def test_every_name_taken_means_elsewhere(data: str) -> None:
    path = listen(data)
    for attempt in range(10):
        Path(os.path.dirname(path), paths.socket_name(data, ROOT, attempt)).touch()
    assert os.path.dirname(listen(data)) != os.path.dirname(path)


def test_closing_removes_no_socket_of_another(data: str) -> None:
    listener = Listener(data, ROOT, {})
    os.unlink(listener.path)
    other = Listener(data, ROOT, {})
    assert other.path == listener.path
    listener.close()
    assert other.intact()
    other.close()


@pytest.mark.anyio
async def test_a_daemon_whose_socket_is_gone_listens_anew(edge: Edge) -> None:
    staying = await Client.initialized(edge.path)
    before = edge.path
    for name in os.listdir(os.path.dirname(before)):
        os.unlink(os.path.join(os.path.dirname(before), name))
    os.rmdir(os.path.dirname(before))
    await edge.daemon.check()
    note = read_note(edge.lock.path)
    assert note["socket"] == edge.path
    coming = await Client.initialized(edge.path)
    await coming.alive()
    await staying.alive()
    # A stranger's file in its place: another name.
    os.unlink(edge.path)
    Path(edge.path).touch()
    await edge.daemon.check()
    assert edge.path != before
    await (await Client.initialized(edge.path)).alive()


@pytest.mark.anyio
async def test_a_daemon_whose_lock_is_gone_ends(edge: Edge) -> None:
    os.unlink(edge.lock.path)
    await edge.daemon.check()
    await edge.daemon.run(10)


@pytest.mark.anyio
async def test_a_daemon_with_nobody_ends_by_itself(edge: Edge) -> None:
    assert isinstance(edge.daemon, Daemon)
    await edge.daemon.run(0.0001)
    edge.inside.busy = True
    assert not edge.daemon.idle
