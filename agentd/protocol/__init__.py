"""The protocol, version 1: wire types, events and METHODS. Imports nothing else of the package but errors' peers."""

from agentd.protocol.base import PROTOCOL_VERSION as PROTOCOL_VERSION
from agentd.protocol.base import Empty as Empty
from agentd.protocol.base import JsonObject as JsonObject
from agentd.protocol.base import Kept as Kept
from agentd.protocol.base import Wire as Wire
from agentd.protocol.chatting import *  # noqa: F403
from agentd.protocol.conversing import *  # noqa: F403
from agentd.protocol.daemon import *  # noqa: F403
from agentd.protocol.events import *  # noqa: F403
from agentd.protocol.finding import *  # noqa: F403
from agentd.protocol.methods import *  # noqa: F403
from agentd.protocol.sessions import *  # noqa: F403
from agentd.protocol.shapes import *  # noqa: F403
from agentd.protocol.transfer import *  # noqa: F403
