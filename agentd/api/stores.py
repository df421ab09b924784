"""Stores that a session in this process can be on: the protocol to implement, and those that there are."""

from agentd.store import FileStore as FileStore
from agentd.store.api import Store as Store
from agentd.store.memory import MemoryStore as MemoryStore
