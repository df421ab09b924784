"""Whether a value is what a test expects, told by a part of it.

Objects: the fields that are named, others may be there. Lists: each element, none more. Strings: equal, or with ``~``
in front, contained, whatever the case. ``"*"``: anything that is there. ``"-"``: must be absent.
"""

from typing import Any


def mismatch(expected: Any, actual: Any, place: str = "") -> str | None:
    """Where and how they differ, or None."""
    if expected == "*":
        return None
    where = place or "it"
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{where} is {actual!r}, no object"
        for key, value in expected.items():
            inner = f"{place}.{key}".lstrip(".")
            if value == "-":
                if key in actual:
                    return f"{inner} is {actual[key]!r}, and should be absent"
            elif key not in actual:
                return f"{inner} is absent, and should be {value!r}; there are {sorted(actual)}"
            elif told := mismatch(value, actual[key], inner):
                return told
        return None
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"{where} is {actual!r}, should be {expected!r}"
        pairs = enumerate(zip(expected, actual, strict=True))
        return next((told for i, (one, other) in pairs if (told := mismatch(one, other, f"{place}[{i}]"))), None)
    if isinstance(expected, str) and expected.startswith("~") and isinstance(actual, str):
        fits = expected[1:].casefold() in actual.casefold()
    else:
        fits = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return None if fits else f"{where} is {actual!r}, should be {expected!r}"
