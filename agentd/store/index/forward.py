"""Lines of a file from a place to its end, in blocks; one that is too long to hold is passed over, not held."""

from collections.abc import Generator

from agentd.store.backward import Line
from agentd.store.files import Files

BLOCK = 1 << 18


def lines_forward(files: Files, fd: int, begin: int, end: int, longest: int) -> Generator[Line, None, None]:
    """The whole lines between two places; ``data`` is None where a line is longer. A torn last one is left out."""
    buffer, base, offset = b"", begin, begin
    while offset < end:
        data = files.read_at(fd, min(BLOCK, end - offset), offset)
        if not data:
            return
        offset += len(data)
        if len(buffer) > longest:
            # Only its end is looked for.
            newline = data.find(b"\n")
            if newline < 0:
                continue
            stop = offset - len(data) + newline
            yield Line(base, stop, None)
            buffer, base, data = b"", stop + 1, data[newline + 1 :]
        buffer += data
        at = 0
        while (newline := buffer.find(b"\n", at)) >= 0:
            if newline > at:
                yield Line(base + at, base + newline, buffer[at:newline])
            at = newline + 1
        buffer, base = buffer[at:], base + at
