"""Who is let in, and that the two ends agree on the first line without the json package."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentd.protocol import PROTOCOL_VERSION
from agentd.server import hello, line
from tests.server.client import LIMIT, Client
from tests.server.conftest import Edge

pytestmark = pytest.mark.anyio

STRANGERS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    b'Content-Length: 58\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"\n",
    b"{}\n",
    b"{secret\n",
    b'{"agentd":2,"version":"9"}\n',
    b'{"agentd":1}\n',
    b'{"agentd":1,"version":1}\n',
    b'{"agentd":true,"version":"secret"}\n',
    b"{" + b" " * 300_000,
]


@pytest.mark.parametrize("said", STRANGERS, ids=lambda said: repr(said[:24]))
async def test_a_stranger_is_refused(edge: Edge, said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    client = await Client.raw(edge.path)
    client.writer.write(said)
    assert json.loads(await client.end())["error"].startswith("agentd refused this connection")
    assert edge.daemon.connections == 0
    assert "refused" in caplog.text
    assert "secret" not in caplog.text
    await client.close()


async def test_who_says_nothing_and_leaves_is_forgotten(edge: Edge) -> None:
    client = await Client.raw(edge.path)
    await client.close()
    other = await Client.initialized(edge.path)
    assert edge.daemon.connections == 1
    await other.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
async def test_another_user_is_refused(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    os.chmod(edge.path, 0o777)
    os.chmod(os.path.dirname(edge.path), 0o755)
    child = """
import os, socket, sys
stranger = socket.socket(socket.AF_UNIX)
os.fchdir(os.open(sys.argv[1], os.O_PATH))
os.setgid(65534)
os.setuid(65534)
stranger.connect(sys.argv[2])
try:
    stranger.send(sys.argv[3].encode())
    print(stranger.recv(9999))
except OSError:
    print(b"")
"""
    said = hello.of_client("9", "/", {}).decode()
    directory, name = os.path.split(edge.path)
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", child, directory, name, said, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(ran.communicate(), LIMIT)
    assert out == b"b''\n"
    assert "refused: it belongs to user 65534" in caplog.text
    assert edge.daemon.connections == 0


async def test_another_user_cannot_reach_the_socket(edge: Edge) -> None:
    assert os.stat(edge.path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(edge.path)).st_mode & 0o777 == 0o700


JSON = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**40), 2**40),
    lambda inner: st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_line_is_json(value: dict[str, object]) -> None:
    said = line.dump(value)
    assert json.loads(said) == value
    assert line.parse(said) == value
    assert said.count(b"\n") == 1


@given(st.binary(max_size=60))
def test_no_line_is_too_odd(data: bytes) -> None:
    parsed = line.parse(data)
    assert parsed is None or isinstance(parsed, dict)


def test_a_line_is_parsed_where_json_was_never_imported() -> None:
    code = (
        "import sys; from agentd.server import line; assert line.parse(b'{') is None; assert line.parse(b'[') is None;"
        "assert line.parse(b'x') is None; assert line.parse(b'{\"a\":[1]}\\n') == {'a': [1]};"
        "assert 'json' not in sys.modules"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=30, cwd=os.getcwd())


@pytest.mark.parametrize(
    ("one", "other"), [("0.2", "0.1.9"), ("1.10", "1.9"), ("1.0.1", "1"), ("2", "1.9.9"), ("0.1.0", "")]
)
def test_newer(one: str, other: str) -> None:
    assert hello.newer(one, other)
    assert not hello.newer(other, one)
    assert not hello.newer(one, one)


def test_what_is_no_number_makes_no_version_newer() -> None:
    assert not hello.newer("1.2rc1", "1.2")
    assert not hello.newer("1.0.0", "1")


def test_the_protocol_is_one() -> None:
    assert hello.PROTOCOL == PROTOCOL_VERSION
