"""Faults of ours: a reference for the client, the traceback for the log, and content for neither."""

import logging
import os
import traceback

_TELLING = (OSError, AssertionError, AttributeError, ImportError, TypeError, NotImplementedError, RuntimeError)
"""Errors whose words are about the program. Others' (a validation's, a decoder's) quote what people wrote."""


def note(logger: logging.Logger, where: str, error: BaseException) -> str:
    """Log an unexpected exception, and return the short reference under which it is found there."""
    reference = os.urandom(4).hex()
    logger.error("%s failed [%s]\n%s", where, reference, _told(error))
    return reference


def _told(error: BaseException) -> str:
    lines: list[str] = []
    link: BaseException | None = error
    while link is not None and len(lines) < 200:
        lines += [line for entry in traceback.format_tb(link.__traceback__) for line in entry.splitlines()]
        words = str(link)[:500] if isinstance(link, _TELLING) else "(message withheld)"
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}: {words}")
        if isinstance(link, BaseExceptionGroup):
            lines += [line for inner in link.exceptions for line in _told(inner).splitlines()]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(lines)
