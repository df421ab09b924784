"""Rows of METHODS that are being built. Gone when all of them are."""

from agentd.errors import InvalidParams
from agentd.protocol import Empty, Wire
from agentd.server.handlers.context import Context


async def pending(context: Context, params: Wire) -> Empty:
    raise InvalidParams("this version does not serve this method yet")
