"""The bridge and the daemon as processes: started once, found again, replaced, and gone without a trace."""

# Nothing else runs in a test's loop that a look at the disk could keep waiting.
# ruff: noqa: ASYNC240

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from agentd import __version__, launch, paths
from agentd.server.lock import Lock
from tests.server.client import Client, initialize
from tests.server.processes import SOURCE, Place, end, framed, frames, gone

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.close()
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and mentions(pid, place.root)]
    assert not left, "processes are left behind"
    assert not os.path.exists(os.path.join(place.data, "run")) or os.listdir(os.path.join(place.data, "run")) == []


def mentions(pid: str, text: str) -> bool:
    try:
        return text.encode() in Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


async def test_an_editor_is_served_and_stdout_carries_lsp_alone(place: Place) -> None:
    said = framed(
        {"id": 1, "method": "initialize", "params": initialize()},
        {"method": "initialized", "params": {}},
        {"id": 2, "method": "nothing"},
        {"id": 3, "method": "shutdown"},
        {"method": "exit"},
    )
    for _ in range(2):
        ran = await place.run("lsp", "--stdio", stdin=said)
        assert [message["id"] for message in frames(ran.out)] == [1, 2, 3]
        assert (ran.code, ran.error) == (0, "")
    assert place.log.count(" serves ") == 1


async def test_the_end_of_stdin_ends_the_bridge_after_its_answers(place: Place) -> None:
    ran = await place.run("lsp", stdin=framed({"id": 1, "method": "agentd/status"}))
    assert [message["id"] for message in frames(ran.out)] == [1]
    assert (ran.code, ran.error) == (0, "")


async def test_fifty_at_once_start_one_daemon(place: Place) -> None:
    bridges = await asyncio.gather(*[place.bridge() for _ in range(50)])
    await asyncio.gather(*[bridge.initialize() for bridge in bridges])
    pids = {(await bridge.status())["pid"] for bridge in bridges}
    assert pids == {place.note["pid"]}
    assert (await bridges[0].status())["connections"] == 50
    assert place.log.count(" serves ") == 1


async def test_the_daemon_is_found_from_another_runtime_directory(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    one = await (await place.bridge(XDG_RUNTIME_DIR=str(tmp_path / "runtime"))).initialize()
    two = await place.bridge()
    assert (await one.status())["pid"] == (await two.status())["pid"]
    assert str(place.note["socket"]).startswith(str(tmp_path / "runtime"))


async def test_kill_9_and_attach_again(place: Place) -> None:
    first = await place.bridge()
    pid = (await first.status())["pid"]
    await end(pid, signal.SIGKILL)
    assert await first.ended() == 0
    assert os.path.exists(place.note["socket"]), "it was dead, and blocks nothing"
    second = await place.bridge()
    assert (await second.status())["pid"] != pid


async def test_a_strangers_file_in_the_sockets_place(place: Place) -> None:
    os.makedirs(os.path.join(place.data, "run"), 0o700)
    usual = os.path.join(place.data, "run", paths.socket_name(place.data, os.path.realpath(place.root)))
    Path(usual).write_text("precious")
    bridge = await place.bridge()
    assert (await bridge.status())["socket"] == usual.replace(".sock", "-1.sock")
    assert Path(usual).read_text() == "precious"
    os.unlink(usual)


@pytest.mark.parametrize("content", [b"", b"{", b'{"socket":"/nowhere","pid":1,"version":"9"}', b"\xff" * 5000])
async def test_a_lock_file_that_lies_is_not_believed(place: Place, content: bytes) -> None:
    os.makedirs(place.project)
    Path(paths.lock_path(place.project)).write_bytes(content)
    bridge = await place.bridge()
    assert (await bridge.status())["pid"] == place.note["pid"]


async def test_a_stranger_at_the_noted_socket_gets_no_environment(place: Place, tmp_path: Path) -> None:
    os.makedirs(place.project)
    stranger = socket.socket(socket.AF_UNIX)
    stranger.bind(str(tmp_path / "s"))
    stranger.listen()
    Path(paths.lock_path(place.project)).write_text(f'{{"socket":"{tmp_path / "s"}"}}')
    running = asyncio.create_task(place.run("lsp", ANTHROPIC_API_KEY="k"))
    connected, _ = await anyio.to_thread.run_sync(stranger.accept)
    connected.sendall(b"HTTP/1.1 400 Bad Request\r\n")
    ran = await running
    assert ran.code == 1
    assert "refused" in ran.error
    connected.close()
    stranger.close()


async def attach(place: Place, version: str) -> tuple[Client, int]:
    """A client of another version; its connection, and the daemon's process."""
    attached = await anyio.to_thread.run_sync(lambda: launch.attach(place.root, place.env(), version=version))
    assert attached is not None
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=attached.raw.detach()))
    client = Client(reader, writer)
    return client, (await client.request("agentd/status"))["result"]["pid"]


async def test_an_older_idle_daemon_is_replaced_and_a_newer_one_is_not(place: Place) -> None:
    client, first = await attach(place, __version__)
    same, pid = await attach(place, "0.0.1")
    assert pid == first, "an older client attaches"
    other, pid = await attach(place, "99.0")
    assert pid == first, "two are attached"
    for leaving in (client, same, other):
        await leaving.close()
    asking = await Client.greeted(place.note["socket"])
    while not asking.daemon["idle"]:  # the three have left, once the daemon has seen it
        await asking.close()
        asking = await Client.greeted(place.note["socket"])
    await asking.close()
    newer, second = await attach(place, "99.0")
    assert second != first
    await gone(first)
    await newer.close()
    again, pid = await attach(place, "0.0.1")
    assert pid == second
    await again.close()


async def test_many_newer_clients_replace_it_once(place: Place) -> None:
    client, first = await attach(place, __version__)
    await client.close()
    found = await asyncio.gather(*[attach(place, "99.0") for _ in range(8)])
    (second,) = {pid for _, pid in found}
    assert (second == first) or place.log.count(" serves ") == 2
    for attached, _ in found:
        await attached.close()


async def test_without_start_no_daemon_is_started(place: Place) -> None:
    assert launch.attach(place.root, place.env(), start=False) is None
    assert not os.path.exists(place.data)


async def test_a_second_daemon_says_so_and_leaves(place: Place) -> None:
    bridge = await place.bridge()
    pid = (await bridge.status())["pid"]
    ran = await place.run("serve", "--root", place.root)
    assert ran.code == 1
    assert ran.error == f"agentd: a daemon serves {os.path.realpath(place.root)} already (process {pid})\n"
    assert (await bridge.status())["pid"] == pid


async def test_a_daemon_that_is_just_leaving_is_waited_for(place: Place) -> None:
    os.makedirs(place.project)
    leaving = Lock(paths.lock_path(place.project))
    bridge = await place.bridge()
    process = bridge.process.pid
    leaving.close()
    assert (await bridge.status())["connections"] == 1
    assert process == bridge.process.pid


@pytest.mark.parametrize("command", ["lsp", "serve"])
async def test_a_root_that_is_no_directory(place: Place, command: str) -> None:
    Path(place.root, "file").touch()
    for name in ("file", "none"):
        ran = await place.run(command, "--root", os.path.join(place.root, name))
        assert (ran.code, ran.out) == (1, b"")
        assert ran.error == f"agentd: {os.path.realpath(place.root)}/{name} is not a directory\n"


@pytest.mark.parametrize("command", ["lsp", "serve"])
@pytest.mark.parametrize(("home", "words"), [("store", "absolute path"), ("FILE", "is not a directory")])
async def test_a_home_that_is_none_is_told_and_nothing_is_made(
    place: Place, command: str, home: str, words: str
) -> None:
    file = os.path.join(place.home, "FILE")
    Path(file).write_text("")
    ran = await place.run(command, AGENTD_HOME=file if home == "FILE" else home)
    assert ran.code != 0 and "AGENTD_HOME" in ran.error and words in ran.error
    assert os.listdir(place.root) == [] and os.listdir(place.home) == ["FILE"]


@pytest.mark.parametrize("command", ["lsp", "serve"])
async def test_a_home_where_other_things_are_kept_is_refused_and_left_as_it_is(place: Place, command: str) -> None:
    shared = Path(place.home, "shared")
    (shared / "run").mkdir(parents=True)
    (shared / "letter.txt").write_text("mine")
    shared.chmod(0o755)
    ran = await place.run(command, AGENTD_HOME=str(shared))
    assert ran.code != 0 and "a directory of its own" in ran.error
    assert sorted(os.listdir(shared)) == ["letter.txt", "run"]
    assert shared.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("command", ["lsp", "serve"])
async def test_without_a_home_nothing_is_made(place: Place, command: str) -> None:
    ran = await place.run(command, AGENTD_HOME="", HOME=os.path.join(place.home, "nowhere"))
    assert ran.code != 0 and "HOME is" in ran.error
    assert os.listdir(place.home) == []


async def test_a_data_directory_that_cannot_be(place: Place) -> None:
    Path(place.data).write_text("a file")
    ran = await place.run("lsp")
    assert (ran.code, ran.out) == (1, b"")
    assert ran.error.count("\n") == 1
    assert place.data in ran.error
    ran = await place.run("serve")
    assert ran.code == 1
    assert ran.error.count("\n") == 1
    os.unlink(place.data)


@pytest.mark.parametrize("arguments", [["--rot", "x"], ["--root"], ["x"]])
async def test_wrong_use(place: Place, arguments: list[str]) -> None:
    for command in ("lsp", "serve"):
        ran = await place.run(command, *arguments)
        assert (ran.code, ran.out) == (2, b"")
        assert f"usage: agentd {command}" in ran.error


async def test_the_daemon_has_nothing_of_its_starter(place: Place) -> None:
    # A module of the editor's folder that would be imported, were the folder on the path.
    for name in ("json.py", "agentd.py", "asyncio.py"):
        Path(place.root, name).write_text("raise SystemExit('interpreted before trust')")
    secrets = {"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "http://x", "HTTPS_PROXY": "http://p"}
    kept, ours = os.pipe()
    os.set_inheritable(ours, True)
    bridge = await place.bridge("--root", ".", **secrets)
    pid = (await bridge.status())["pid"]
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"sk-1" not in environment
    assert b"http" not in environment
    assert os.readlink(f"/proc/{pid}/cwd") == place.data
    assert os.getsid(pid) != os.getsid(0)
    assert b"sk-1" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    links = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    log = paths.log_path(place.project)
    assert not [
        link for link in links if link.startswith("/") and link not in (log, "/dev/null") and place.data not in link
    ]
    assert f"pipe:[{os.fstat(kept).st_ino}]" not in links
    assert os.stat(log).st_mode & 0o777 == 0o600
    assert os.stat(place.data).st_mode & 0o777 == 0o700
    assert "sk-1" not in place.log
    os.close(kept)
    os.close(ours)


async def serve(place: Place, *arguments: str) -> asyncio.subprocess.Process:
    """A daemon in the foreground, ready."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "agentd", "serve", "--root", place.root, "--ready-fd", str(writing), *arguments,
        env=place.env(), pass_fds=[writing], stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    assert await anyio.to_thread.run_sync(os.read, reading, 100) == b"ready\n"
    os.close(reading)
    return process


async def test_idle_it_ends_by_itself_and_leaves_nothing(place: Place) -> None:
    process = await serve(place, "--idle-minutes", "0.001")
    out, _ = await asyncio.wait_for(process.communicate(), 15)
    assert (process.returncode, out) == (0, b"")


async def test_attached_it_does_not_end(place: Place) -> None:
    process = await serve(place, "--idle-minutes", "0.005")
    client = await Client.initialized(place.note["socket"])
    # As long as is told, and longer: the answer to each request is an event.
    until = asyncio.get_running_loop().time() + 1
    while asyncio.get_running_loop().time() < until:
        await client.alive()
    await client.close()
    await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_gracefully(place: Place, number: int) -> None:
    process = await serve(place)
    client = await Client.initialized(place.note["socket"])
    process.send_signal(number)
    assert await client.end() == b""
    await client.close()
    _, error = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0
    assert b"Traceback" not in error


async def test_shutdown_is_answered_and_ends_it(place: Place) -> None:
    process = await serve(place)
    client = await Client.greeted(place.note["socket"])
    other = await Client.initialized(place.note["socket"])
    assert (await client.request("agentd/shutdown", {"onlyIdle": True}))["error"]["data"]["kind"] == "sessionBusy"
    await other.close()
    assert (await client.request("agentd/shutdown", {}))["result"] == {}
    assert await client.end() == b""
    await client.close()
    await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0


async def test_the_roots_of_an_editor(place: Place) -> None:
    os.makedirs(os.path.join(place.root, ".git"))
    os.makedirs(os.path.join(place.root, "a", "b"))
    root = os.path.realpath(place.root)
    inner = os.path.join(place.root, "a", "b")
    one, two = await place.bridge(cwd=inner), await place.bridge("--folder", inner, cwd="/")
    assert (await one.status())["root"] == (await two.status())["root"] == root
    exact = await place.bridge("--root=" + inner)
    scratch = await place.bridge("--scratch", cwd="/")
    found = [await exact.status(), await scratch.status()]
    assert [status["root"] for status in found] == [os.path.join(root, "a", "b"), os.path.join(place.data, "scratch")]
    for status in found:
        await end(status["pid"], signal.SIGTERM)


async def test_the_version(place: Place) -> None:
    ran = await place.run("--version")
    assert (ran.code, ran.out, ran.error) == (0, f"agentd-lsp {__version__} protocol 1\n".encode(), "")


async def test_bytes_go_through_the_bridge_both_ways_however_slowly_they_are_read(place: Place) -> None:
    bridge = await (await place.bridge()).initialize()
    name = "x" * 200
    big = 3_000_000
    # Much goes in before anything is read: both directions fill up, and neither blocks the other.
    numbers = [bridge.ask("agentd/session/name", {"sessionId": "y" * big, "name": name}) for _ in range(5)]
    for number in numbers:
        answer = await bridge.answer_to(number)
        assert len(answer["error"]["data"]["sessionId"]) == big


def test_the_source_is_where_processes_find_it() -> None:
    assert (SOURCE / "agentd" / "__main__.py").exists()
