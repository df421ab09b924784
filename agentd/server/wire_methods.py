"""The standard's own methods, where pygls' would not do: ends of process, cancelled turns, wrong lines.

Brings text documents up to date before the workspace hears of them.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pydantic import ValidationError
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.workspace import Workspace

from agentd.protocol import PROTOCOL_VERSION, method_of
from agentd.server import messages, places
from agentd.server.messages import Refused
from agentd.server.text import Encoding, spliced
from agentd.server.wire_types import Link, Reply

logger = logging.getLogger(__name__)


class StandardMethods(LanguageServerProtocol):
    """Handlers by ``lsp_method``. Those of documents are plain functions: pygls runs these in the order of arrival."""

    _shutdown: bool

    link: Link
    serve: Callable[[str, Any], Awaitable[Any]]

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Reply:  # type: ignore[override]
        site = self.link.site
        self.client_capabilities = params.capabilities
        encoding = ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities)
        kind = types.TextDocumentSyncKind.Incremental
        self._workspace = Workspace(params.root_uri, kind, params.workspace_folders or [], encoding)
        builder = ServerCapabilitiesBuilder(
            params.capabilities,
            set(self.fm.builtin_features),
            {types.TEXT_DOCUMENT_DID_SAVE: types.SaveOptions(include_text=False)},
            list(site.commands),
            kind,
            None,
            encoding,
        )
        self.server_capabilities: types.ServerCapabilities = builder.build()  # type: ignore[no-untyped-call]
        ours = {"protocol": PROTOCOL_VERSION, "root": site.root, "methods": list(site.handlers)}
        self.server_capabilities.experimental = {"agentd": ours}
        result = types.InitializeResult(self.server_capabilities, types.ServerInfo("agentd", site.version))
        name = params.client_info.name if params.client_info else ""
        return Reply(result, lambda: self.link.initialized(name, _abilities(params.capabilities.experimental)))

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *_: Any) -> None:  # type: ignore[override]
        # pygls cancels what runs. An editor that closes ends no turn.
        self._shutdown = True

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: Any) -> None:  # type: ignore[override]
        # pygls ends the process.
        self.link.close()

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        self.workspace.put_text_document(document)
        self.link.site.documents.opened(self.link.id, document.uri, document.text, document.version)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        identity = params.text_document
        document = self.workspace.text_documents.get(unquote(identity.uri))
        if document is None:
            logger.warning("client %d changed a document that it had not opened", self.link.id)
            return
        text = document.source
        for change in params.content_changes:
            text = _changed(text, change, self.workspace.position_encoding)
        language = document.language_id or ""
        self.workspace.put_text_document(types.TextDocumentItem(identity.uri, language, identity.version, text))
        self.link.site.documents.changed(self.link.id, identity.uri, text, identity.version)

    @lsp_method(types.TEXT_DOCUMENT_DID_SAVE)
    def lsp_text_document__did_save(self, params: types.DidSaveTextDocumentParams) -> None:
        if unquote(params.text_document.uri) in self.workspace.text_documents:
            self.link.site.documents.saved(self.link.id, params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self.workspace.remove_text_document(params.text_document.uri)
        self.link.site.documents.closed(self.link.id, params.text_document.uri)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> Any:  # type: ignore[override]
        """A command is a method under another name, for clients that can send no request of their own."""
        site = self.link.site
        name = site.commands.get(params.command)
        method = method_of(name) if name else None
        if name is None or method is None:
            raise Refused(messages.INVALID_PARAMS, f"command: no such command: {params.command[:100]}")
        given = list(params.arguments or ())
        if len(given) > 1:
            raise Refused(messages.INVALID_PARAMS, "arguments: should be one object, or none")
        try:
            typed = method.params.model_validate(given[0] if given else None)
        except ValidationError as error:
            raise Refused(messages.INVALID_PARAMS, places.of_pydantic(error, "arguments.0")) from None
        return await self.serve(name, typed)


def _changed(text: str, change: types.TextDocumentContentChangeEvent, encoding: Any) -> str:
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        units: Encoding = types.PositionEncodingKind(encoding or "utf-16").value
        return spliced(text, (start.line, start.character), (end.line, end.character), change.text, units)
    return change.text


def _abilities(experimental: Any) -> frozenset[str]:
    """Which of the daemon's own requests the client answers."""
    ours = experimental.get("agentd") if isinstance(experimental, dict) else None
    return frozenset(name for name, can in ours.items() if can is True) if isinstance(ours, dict) else frozenset()
