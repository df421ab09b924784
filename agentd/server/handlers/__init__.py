"""One handler for each row of METHODS, and the commands by which editors without a plugin of ours reach them."""

from collections.abc import Mapping

from agentd.server.handlers import (
    attach,
    daemon,
    documents,
    finding,
    importing,
    messages,
    reading,
    removal,
    session,
    statistics,
    transfer,
    turn,
)
from agentd.server.handlers.context import Answer as Answer
from agentd.server.handlers.context import Context as Context
from agentd.server.handlers.context import DaemonInfo as DaemonInfo
from agentd.server.handlers.context import Handler as Handler

HANDLERS: Mapping[str, Handler] = {
    "agentd/chat": turn.chat,
    "agentd/turn/interrupt": turn.interrupt,
    "agentd/turn/retry": turn.retry,
    "agentd/turn/detach": turn.detach,
    "agentd/session/new": session.new,
    "agentd/session/resume": attach.resume,
    "agentd/session/leave": attach.leave,
    "agentd/session/turns": attach.turns,
    "agentd/session/messages": messages.messages,
    "agentd/session/setMessages": messages.set_messages,
    "agentd/session/list": finding.list_sessions,
    "agentd/session/search": finding.search,
    "agentd/session/stats": statistics.stats,
    "agentd/session/show": session.show,
    "agentd/session/fork": session.fork,
    "agentd/session/name": session.name,
    "agentd/session/update": session.update,
    "agentd/session/archive": session.archive,
    "agentd/session/restore": session.restore,
    "agentd/session/clear": session.clear,
    "agentd/session/compact": session.compact,
    "agentd/session/seen": attach.seen,
    "agentd/session/delete": removal.delete,
    "agentd/session/cleanup": removal.cleanup,
    "agentd/session/export": transfer.export,
    "agentd/session/import": importing.import_session,
    "agentd/session/scan": importing.scan,
    "agentd/session/events": reading.events,
    "agentd/session/blob": reading.blob,
    "agentd/session/documents": documents.documents,
    "agentd/session/createDocument": documents.create,
    "agentd/profiles": daemon.profiles,
    "agentd/models": daemon.models,
    "agentd/credentials/set": daemon.set_credentials,
    "agentd/status": daemon.status,
    "agentd/shutdown": daemon.shutdown,
}

COMMANDS: Mapping[str, str] = {
    "agentd.chat": "agentd/chat",
    "agentd.new": "agentd/session/new",
    "agentd.resume": "agentd/session/resume",
    "agentd.fork": "agentd/session/fork",
    "agentd.name": "agentd/session/name",
    "agentd.archive": "agentd/session/archive",
    "agentd.restore": "agentd/session/restore",
    "agentd.interrupt": "agentd/turn/interrupt",
    "agentd.retry": "agentd/turn/retry",
    "agentd.list": "agentd/session/list",
    "agentd.status": "agentd/status",
}
"""``workspace/executeCommand``: the command, and the method that it is. Arguments: one object, the method's params."""
