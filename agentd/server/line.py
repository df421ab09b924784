"""One JSON object on one line, without the ``json`` package, whose import (``re`` with it) costs the bridge 7 ms.

Both directions use the C functions on which ``json`` itself is built, and ``json`` where an interpreter lacks them.
"""


def dump(value: dict[str, object]) -> bytes:
    """ASCII JSON with a line end. Values are strings, booleans, integers, or mappings of these."""
    return (_text(value) + "\n").encode("ascii")


def parse(line: bytes) -> dict[str, object] | None:
    """The object in a line, or None for anything else. Never raises."""
    try:
        value = _load(line.decode("utf-8"))
    except (ValueError, StopIteration, RecursionError, SystemError):
        # SystemError: the scanner looks for JSONDecodeError in a json.decoder that nobody has imported.
        return None
    return value if isinstance(value, dict) else None


def _text(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, dict)
    return "{" + ",".join([_quoted(key) + ":" + _text(item) for key, item in value.items()]) + "}"


try:
    from _json import (  # type: ignore[import-not-found, unused-ignore]
        encode_basestring_ascii as _quoted,
    )
    from _json import make_scanner

    class _Plain:
        """What the C scanner asks of a ``JSONDecoder``."""

        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = staticmethod(float)
        memo: dict[str, str] = {}  # noqa: RUF012

    _scan = make_scanner(_Plain())  # type: ignore[arg-type]

    def _load(text: str) -> object:
        text = text.strip()
        value, end = _scan(text, 0)
        if end != len(text):
            raise ValueError(text)
        return value

except ImportError:  # pragma: no cover
    from json import dumps as _quoted
    from json import loads as _load  # type: ignore[assignment]
