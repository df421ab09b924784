"""A blocking client, as small as can be: what is measured at it is the daemon's time, not its own."""

import json
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from tests.bench.place import Place

LIMIT = 60.0


class Client:
    """JSON-RPC over a socket. ``take`` is called with each event and the ``monotonic_ns`` at which it was here."""

    def __init__(self, path: str) -> None:
        self.take: Callable[[dict[str, Any], int], None] = lambda event, now: None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LIMIT)
        self._socket.connect(path)
        self._rest = b""
        self._bodies: deque[bytes] = deque()
        self._last_id = 0
        self._answers: dict[int, dict[str, Any]] = {}

    @classmethod
    def attached(
        cls, path: str, root: str, environment: Mapping[str, str], capabilities: Mapping[str, Any] | None = None
    ) -> "Client":
        """Hello said and initialized."""
        client = cls(path)
        client._greet(root, environment)
        about = {"processId": os.getpid(), "rootUri": f"file://{root}", "capabilities": capabilities or {}}
        client.request("initialize", about)
        client.send({"method": "initialized", "params": {}})
        return client

    @classmethod
    def of(cls, place: Place, capabilities: Mapping[str, Any] | None = None) -> "Client":
        """Attached, until it is closed or the place is left."""
        client = cls.attached(place.socket, str(place.home.root), place.client_environment(), capabilities)
        place.closing.callback(client.close)
        return client

    def _greet(self, root: str, environment: Mapping[str, str]) -> None:
        said = {"agentd": 1, "version": "0.0.1", "cwd": root, "environment": dict(environment)}
        self._socket.sendall(json.dumps(said).encode() + b"\n")
        while b"\n" not in self._rest:
            self._more()
        self._rest = self._rest.partition(b"\n")[2]

    def close(self) -> None:
        self._socket.close()

    def send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def begin(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request; its answer is taken with ``answer``."""
        self._last_id += 1
        self.send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def answer(self, number: int) -> Any:
        while number not in self._answers:
            self.read()
        said = self._answers.pop(number)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["result"]

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        return self.answer(self.begin(method, params))

    def read(self) -> None:
        """One message."""
        body, now = self._body(), time.monotonic_ns()
        message = json.loads(body)
        if "method" not in message:
            self._answers[message["id"]] = message
        elif message["method"] == "agentd/event":
            self.take(message["params"]["event"], now)

    def _body(self) -> bytes:
        while not self._bodies:
            self._more()
            while (end := self._rest.find(b"\r\n\r\n")) >= 0:
                start = end + 4
                stop = start + int(self._rest[len(b"Content-Length: ") : end])
                if len(self._rest) < stop:
                    break
                self._bodies.append(self._rest[start:stop])
                self._rest = self._rest[stop:]
        return self._bodies.popleft()

    def _more(self) -> None:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the daemon hung up")
        self._rest += data
