"""The Python API: sessions for programs. ``AgentSession``, ``Agent``, ``SessionManager`` and what they are made of.

An ordinary client of the daemon; on a store or with modules of the caller's own it runs in this process. Names are
looked up on first use: importing this package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentd.api.agent import Agent as Agent
    from agentd.api.agent import ChatSession as ChatSession
    from agentd.api.failures import ModuleFailed as ModuleFailed
    from agentd.api.failures import SessionClosed as SessionClosed
    from agentd.api.failures import TurnFailed as TurnFailed
    from agentd.api.failures import UnknownModule as UnknownModule
    from agentd.api.history import SessionManager as SessionManager
    from agentd.api.modules import ApprovalSystem as ApprovalSystem
    from agentd.api.modules import ContextModule as ContextModule
    from agentd.api.modules import DisplaySystem as DisplaySystem
    from agentd.api.modules import ModelProvider as ModelProvider
    from agentd.api.modules import ModuleFactory as ModuleFactory
    from agentd.api.modules import ModuleLoader as ModuleLoader
    from agentd.api.modules import Orchestrator as Orchestrator
    from agentd.api.modules import SessionStorage as SessionStorage
    from agentd.api.modules import Tool as Tool
    from agentd.api.modules import TurnRunner as TurnRunner
    from agentd.api.session import AgentSession as AgentSession
    from agentd.api.session import create_session as create_session

_PLACES = {
    "Agent": "agent",
    "AgentSession": "session",
    "ApprovalSystem": "modules",
    "ChatSession": "agent",
    "ContextModule": "modules",
    "DisplaySystem": "modules",
    "ModelProvider": "modules",
    "ModuleFactory": "modules",
    "ModuleFailed": "failures",
    "ModuleLoader": "modules",
    "Orchestrator": "modules",
    "SessionClosed": "failures",
    "SessionManager": "history",
    "SessionStorage": "modules",
    "Tool": "modules",
    "TurnFailed": "failures",
    "TurnRunner": "modules",
    "UnknownModule": "failures",
    "create_session": "session",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module 'agentd.api' has no attribute {name!r}")
    return vars(import_module(f"agentd.api.{_PLACES[name]}"))[name]
