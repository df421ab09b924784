"""What waits for one client: bounded, in order, written together. Only a delta that finds nothing waiting goes at once.

Answers and requests are never dropped. Events are the daemon's to lose: deltas of one item that wait together become
one; above ``MERGE_ABOVE`` nothing more is read from a client that does not read; above ``DROP_ABOVE`` its events go,
and it is told once, when it reads again, to resume anew. Touches the transport; knows no connection, no method.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from agentd.protocol import EventParams, ItemDelta, Notice, Published
from agentd.server.frames import framed

MERGE_ABOVE = 4 * 1024 * 1024
DROP_ABOVE = 16 * 1024 * 1024

_WRITE = 256 * 1024
"""Bytes of one write: what the socket does not take of it can no longer be merged or dropped."""

_OVERHEAD = 256
"""What a waiting event is taken to cost beside its text."""

RESYNC = "This client was too slow for the events of its sessions and missed some: resume the session anew."


class Transport(Protocol):
    """What the outbox needs of an ``asyncio.WriteTransport``."""

    def write(self, data: bytes) -> None: ...
    def get_write_buffer_size(self) -> int: ...


class _Deltas:
    """Consecutive deltas of one item. Merged like a binary counter, so that n of them cost n log n, not n²."""

    __slots__ = ("_key", "_runs", "size")

    def __init__(self, first: Published) -> None:
        self._key = _key(first)
        self._runs: list[tuple[int, Published]] = []
        self.size = 0
        self.add(first)

    def takes(self, event: Published) -> bool:
        return _key(event) == self._key

    def add(self, event: Published) -> None:
        weight = _weight(event)
        self.size += weight if self._runs else weight + _OVERHEAD
        self._runs.append((weight, event))
        while len(self._runs) > 1 and self._runs[-2][0] <= 2 * self._runs[-1][0]:
            self._join()

    def body(self) -> bytes:
        while len(self._runs) > 1:
            self._join()
        return self._runs[0][1].body

    def _join(self) -> None:
        (one, first), (two, second) = self._runs[-2:]
        joined = first.merged(second)
        assert joined is not None
        self._runs[-2:] = [(one + two, joined)]


class _Body:
    """Anything else that waits. ``event``: may be dropped."""

    __slots__ = ("_body", "event", "size")

    def __init__(self, body: bytes, event: bool) -> None:
        self._body = body
        self.event = event
        self.size = len(body)

    def body(self) -> bytes:
        return self._body


def _key(event: Published) -> tuple[str | None, str] | None:
    inner = event.params.event
    return (event.params.session_id, inner.item_id) if isinstance(inner, ItemDelta) else None


def _weight(event: Published) -> int:
    inner = event.params.event
    assert isinstance(inner, ItemDelta)
    return len(inner.text) if inner.text.isascii() else 3 * len(inner.text)


class Outbox:
    """One client's. ``soon`` runs a callback in the next step of the loop; ``on_slow`` hears when to stop reading
    from the client (True) and when to go on (False)."""

    def __init__(self, soon: Callable[[Callable[[], None]], object], on_slow: Callable[[bool], None]) -> None:
        self._soon = soon
        self._on_slow = on_slow
        self._transport: Transport | None = None
        self._waiting: deque[_Deltas | _Body] = deque()
        self._size = 0
        self._scheduled = False
        self._paused = False
        self._slow = False
        self._missed: Published | None = None

    def open(self, transport: Transport) -> None:
        self._transport = transport

    def abandon(self) -> None:
        """The client is gone: nothing waits for it any more."""
        self._transport = None
        self._waiting.clear()
        self._size = 0

    @property
    def waiting(self) -> int:
        """Bytes, about, that the client has not taken."""
        return self._size + (self._transport.get_write_buffer_size() if self._transport else 0)

    def send(self, body: bytes) -> None:
        """An answer or a request: kept whatever happens."""
        self._put(_Body(body, event=False))

    def publish(self, event: Published) -> None:
        """An event. Never blocks, never raises."""
        if self._transport is None:
            return
        if self._missed is not None:
            self._missed = event
            return
        if _key(event) is None:
            self._put(_Body(event.body, event=True))
        else:
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, _Deltas) and last.takes(event):
                before = last.size
                last.add(event)
                self._size += last.size - before
                self._grown()
            else:
                at_once = not (self._waiting or self._scheduled or self._paused)
                self._put(_Deltas(event))
                if at_once:
                    # Whoever watches a reply waits for no one; what follows in this step of the loop goes together.
                    self._write()
        if self._size > DROP_ABOVE:
            self._drop(event)

    def pause(self) -> None:
        """The transport's buffer is full: what comes now waits here, where it can be merged and dropped."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self.flush()

    def flush(self) -> None:
        """Write what waits, until the client takes no more."""
        self._scheduled = False
        self._write()

    def _write(self) -> None:
        transport = self._transport
        while transport is not None and self._waiting and not self._paused:
            chunk: list[bytes] = []
            size = 0
            while self._waiting and size < _WRITE:
                entry = self._waiting.popleft()
                self._size -= entry.size
                chunk.append(framed(entry.body()))
                size += len(chunk[-1])
            transport.write(chunk[0] if len(chunk) == 1 else b"".join(chunk))
            transport = self._transport
        if self._paused or transport is None:
            return
        if self._missed is not None:
            self._tell_missed(self._missed)
        if self._slow and self.waiting < MERGE_ABOVE // 2:
            self._slow = False
            self._on_slow(False)

    def flush_all(self) -> None:
        """Hand everything to the transport, however slow the client: the connection is about to close."""
        self._paused = False
        self.flush()

    def _put(self, entry: "_Deltas | _Body") -> None:
        if self._transport is None:
            return
        self._waiting.append(entry)
        self._size += entry.size
        self._grown()

    def _grown(self) -> None:
        if not self._slow and self._size > MERGE_ABOVE:
            self._slow = True
            self._on_slow(True)
        if not self._scheduled and not self._paused:
            self._scheduled = True
            self._soon(self.flush)

    def _drop(self, newest: Published) -> None:
        kept = [entry for entry in self._waiting if isinstance(entry, _Body) and not entry.event]
        self._waiting = deque(kept)
        self._size = sum(entry.size for entry in kept)
        self._missed = newest

    def _tell_missed(self, newest: Published) -> None:
        self._missed = None
        notice = Notice(kind="resync", message=RESYNC)
        self.publish(Published(EventParams(seq=newest.params.seq, event=notice)))
