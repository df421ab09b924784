"""``agentd/session/documents`` and ``/createDocument``: the Markdown files that a session keeps beside the code."""

from agentd.protocol import CreateDocumentParams, CreateDocumentResult, DocumentsResult, SessionParams
from agentd.server.handlers.context import Context
from agentd.workspace import Workspace


async def documents(context: Context, params: SessionParams) -> DocumentsResult:
    folder = context.workspace.folder
    session_id = await context.workspace.find(params.session_id)
    return DocumentsResult(uri=folder.documents_uri(session_id), documents=await folder.documents(session_id))


async def create(context: Context, params: CreateDocumentParams) -> CreateDocumentResult:
    return await context.workspace.tasks.own(_create(context.workspace, params))


async def _create(workspace: Workspace, params: CreateDocumentParams) -> CreateDocumentResult:
    async with workspace.using(params.session_id) as session:
        uri = await workspace.folder.create_document(session.id, params.name, params.text)
        known = await workspace.folder.documents(session.id)
        workspace.documents_counted(session, known)
        return CreateDocumentResult(uri=uri, documents=known)
