"""LSP's base protocol as a state machine without I/O: bytes in, bodies out.

Knows nothing of JSON. Says which mistakes cost one message and which lose the stream: where a length is not known,
nobody can say where the next message begins.
"""

MAX_HEADER = 8 * 1024
MAX_BODY = 64 * 1024 * 1024

_END = b"\r\n\r\n"
_UTF8 = ("utf-8", "utf8")


class BadFrame(Exception):
    """A frame that cannot be taken. ``lost``: the stream cannot be read any further."""

    def __init__(self, code: int, message: str, *, lost: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.lost = lost


class FrameReader:
    """Cuts a byte stream into bodies. Holds at most one unfinished frame and what came with the last read."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None
        self._problem: BadFrame | None = None
        self._seen = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole body, None when more bytes are needed. Raises ``BadFrame``; call again unless ``lost``."""
        if self._length is None and not self._read_header():
            return None
        assert self._length is not None
        if len(self._buffer) < self._length:
            return None
        body = bytes(memoryview(self._buffer)[: self._length])
        del self._buffer[: self._length]
        self._length = None
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        return body

    def _read_header(self) -> bool:
        # A header that arrives a byte at a time is not searched from its beginning each time.
        end = self._buffer.find(_END, max(0, self._seen - len(_END)), MAX_HEADER)
        if end < 0:
            self._seen = len(self._buffer)
            if self._seen >= MAX_HEADER:
                raise BadFrame(-32700, f"The header is longer than {MAX_HEADER // 1024} KB")
            return False
        self._seen = 0
        length, self._problem = _parse(bytes(self._buffer[:end]))
        del self._buffer[: end + len(_END)]
        self._length = length
        return True


def _parse(header: bytes) -> tuple[int, BadFrame | None]:
    """The body's length, and what is wrong with a body whose end is known."""
    length: int | None = None
    problem = None
    for field in header.split(b"\r\n"):
        name, colon, raw = field.partition(b":")
        if not colon:
            raise BadFrame(-32700, "A header line has no colon")
        value = raw.strip(b" \t")
        match name.lower():
            case b"content-length":
                if not value.isdigit() or len(value) > 18 or length not in (None, int(value)):
                    raise BadFrame(-32700, "Content-Length is not one number")
                length = int(value)
            case b"content-type":
                problem = _check_charset(value)
    if length is None:
        raise BadFrame(-32700, "The header has no Content-Length")
    if length > MAX_BODY:
        raise BadFrame(-32600, f"The message is longer than {MAX_BODY // 1024 // 1024} MB")
    return length, problem


def _check_charset(value: bytes) -> BadFrame | None:
    for parameter in value.decode("latin-1").lower().split(";")[1:]:
        key, _, charset = parameter.strip().partition("=")
        if key == "charset" and charset.strip("\"' ") not in _UTF8:
            return BadFrame(-32700, "The charset is not utf-8", lost=False)
    return None


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
