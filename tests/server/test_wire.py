"""Requests, answers and errors over a real socket; every malformed input costs at most its own connection."""

import json
from typing import Any

import pytest

from tests.server.client import Client, initialize
from tests.server.conftest import Edge

pytestmark = pytest.mark.anyio


async def test_initialize_tells_what_the_daemon_can(edge: Edge) -> None:
    client = await Client.initialized(edge.path)
    capabilities = client.answer["result"]["capabilities"]
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["textDocumentSync"]["save"] == {"includeText": False}
    assert capabilities["positionEncoding"] == "utf-16"
    assert capabilities["executeCommandProvider"]["commands"] == ["agentd.resume", "agentd.name"]
    ours = capabilities["experimental"]["agentd"]
    assert ours["protocol"] == 1
    assert "agentd/chat" in ours["methods"]
    assert [peer.name for peer in edge.inside.peers.values()] == ["bytes"]
    await client.close()
