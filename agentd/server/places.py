"""Where in a message's parameters something is wrong, in words: ``prompt: Field required``. Never what was sent."""

import re

import cattrs
from pydantic import ValidationError

_SHOWN = 5


def of_pydantic(error: ValidationError, within: str = "") -> str:
    """The mistakes that pydantic found, named as on the wire."""
    told = []
    for wrong in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join([*([within] if within else []), *[str(part) for part in wrong["loc"]]])
        told.append(f"{place or 'params'}: {wrong['msg']}")
    return _joined(told)


def of_cattrs(error: Exception) -> str:
    """The mistakes that cattrs found. Its places are Python's names; the wire's are camelCase."""
    told = []
    for line in cattrs.transform_error(error, path="$"):
        what, _, place = line.rpartition(" @ ")
        name = re.sub(r"_([a-z])", lambda match: match[1].upper(), place.removeprefix("$").removeprefix(".params"))
        # "unknown error (…)" quotes the value.
        words = "Field required" if "required field" in what else "Not valid" if "(" in what else what.capitalize()
        told.append(f"{name.lstrip('.') or 'params'}: {words}")
    return _joined(told or ["params: Not valid"])


def _joined(told: list[str]) -> str:
    more = len(told) - _SHOWN
    return "; ".join(told[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
