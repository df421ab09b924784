"""Real editors' capability profiles, as pytest-lsp records them: each attaches through the bridge, edits and chats."""

from typing import Any

import pytest
from pygls.protocol import default_converter
from pytest_lsp import client_capabilities

from tests.support.daemon import daemon_of
from tests.support.editor import Editor
from tests.support.home import KEY, make_home
from tests.support.messages_api import MessagesApi, say

pytestmark = pytest.mark.anyio

CONVERTER = default_converter()  # type: ignore[no-untyped-call]
EDITORS = ("visual_studio_code", "neovim@v0.10.0", "neovim", "emacs")


def units(text: str, encoding: str) -> int:
    """The length of a text in an LSP position encoding."""
    return {"utf-8": len(text.encode()), "utf-16": len(text.encode("utf-16-le")) // 2, "utf-32": len(text)}[encoding]


@pytest.mark.parametrize("spec", EDITORS)
async def test_an_editor_attaches_edits_and_chats(spec: str) -> None:
    capabilities: dict[str, Any] = CONVERTER.unstructure(client_capabilities(spec))
    async with MessagesApi([say("Hello ", spec), say("again")]) as api:
        with make_home() as home:
            home.write("a.txt", "one\n")
            async with daemon_of("bridge", home) as daemon:
                environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
                profile = {"capabilities": capabilities, "clientInfo": {"name": spec, "version": "1"}}
                pipe = await daemon.dial(environment)
                editor = await Editor.attach(pipe, str(home.root), name=spec, profile=profile)
                offered = capabilities.get("general", {}).get("positionEncodings") or ["utf-16"]
                encoding = editor.capabilities.get("positionEncoding", "utf-16")
                assert encoding in offered
                assert editor.capabilities["textDocumentSync"]["openClose"] is True
                assert "agentd.chat" in editor.capabilities["executeCommandProvider"]["commands"]
                ours = editor.capabilities["experimental"]["agentd"]
                assert ours["protocol"] == 1
                assert ours["root"] == str(home.root)
                assert "agentd/chat" in ours["methods"]

                uri = (home.root / "a.txt").as_uri()
                document = {"uri": uri, "languageId": "plaintext", "version": 1, "text": "smörgås 🙂 bord\n"}
                editor.notify("textDocument/didOpen", {"textDocument": document})
                start = {"line": 0, "character": units("smörgås 🙂 ", encoding)}
                end = {"line": 0, "character": units("smörgås 🙂 bord", encoding)}
                change = {"range": {"start": start, "end": end}, "text": "table"}
                versioned = {"uri": uri, "version": 2}
                editor.notify("textDocument/didChange", {"textDocument": versioned, "contentChanges": [change]})

                result = await editor.request("agentd/chat", {"prompt": "look at @a.txt"})
                assert result["turn"]["status"] == "completed"
                prompt, text = result["turn"]["items"]
                assert prompt["context"][0]["text"] == "smörgås 🙂 table\n"
                assert text["text"] == f"Hello {spec}"
                command = {
                    "command": "agentd.chat",
                    "arguments": [{"sessionId": result["session"]["id"], "prompt": "x"}],
                }
                assert (await editor.request("workspace/executeCommand", command))["turn"]["number"] == 2
                await editor.close()
