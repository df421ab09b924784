"""What goes wrong with a model, in words and as ``ModelFailed``. Pure: it sees statuses and texts, never an SDK.

Owns the judgement whether asking again can help, and says what a person can do.
"""

import email.utils
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agentd.errors import ModelFailed
from agentd.models.messages import bad_reply as bad_reply

_LONGEST_QUOTE: Final = 300
_STATUS_OF_KIND: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TOO_LONG: Final = ("prompt is too long", "exceed context limit", "exceeds the available context", "context_length")
_NO_MONEY: Final = ("credit balance", "billing", "spend limit")


@dataclass(frozen=True)
class Where:
    """Whom was asked for what, for messages. ``secret`` is struck out of anything that is quoted."""

    model: str
    host: str
    key_hint: str = "check it with `agentd key status`, replace it with `agentd key set`"
    secret: str = field(default="", repr=False)
    port: int | None = None

    def quote(self, text: str) -> str:
        """A stranger's words: on one line, bounded, without our key."""
        text = " ".join(text.split())
        if self.secret:
            text = text.replace(self.secret, "…")
        return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def from_event(data: bytes, where: Where) -> ModelFailed:
    """Of an ``error`` event in mid-stream, whose HTTP status was 200."""
    kind, message = _kind_and_message(data.decode(errors="replace"))
    return from_status(_STATUS_OF_KIND.get(kind, 500), kind, message, where, {})


def from_body(status: int, body: object, where: Where, headers: Mapping[str, str]) -> ModelFailed:
    """Of an error answer: ``body`` is its JSON, its text or nothing."""
    kind, message = _kind_and_message(body)
    return from_status(status, kind, message, where, headers)


def from_status(status: int, kind: str, message: str, where: Where, headers: Mapping[str, str]) -> ModelFailed:
    """One row for each answer that is none. ``kind`` is the API's ``error.type``, empty for a stranger's answer."""
    said = f": {where.quote(message)}" if message else f" (HTTP {status})"
    words = message.lower()
    wait = retry_after(headers)
    if status == 429:
        return ModelFailed(f"{where.host} limits the rate{said}", "rateLimited", retryable=True, retry_after=wait)
    if status in (503, 529):
        return ModelFailed(f"{where.host} is overloaded{said}", "overloaded", retryable=True, retry_after=wait)
    if status >= 500 or status == 408:
        return ModelFailed(f"{where.host} failed{said}", "server", retryable=True, retry_after=wait)
    if status in (401, 403):
        what = "does not accept the API key" if status == 401 else "does not allow this"
        return ModelFailed(f"{where.host} {what}{said}. {_sentence(where.key_hint)}", "authentication", retryable=False)
    if status == 402 or any(sign in words for sign in _NO_MONEY):
        return ModelFailed(f"{where.host} refuses, for want of credit{said}", "refused", retryable=False)
    if status == 404 and kind:
        return ModelFailed(
            f"{where.host} does not know the model '{where.model}'{said}. `agentd model list` shows known ones.",
            "badRequest",
            retryable=False,
        )
    if status == 404:
        return ModelFailed(
            f"{where.host} has no Messages API there (HTTP 404): check base_url, without /v1/messages at its end.",
            "badRequest",
            retryable=False,
        )
    if status == 413 or any(sign in words or sign in kind for sign in (*_TOO_LONG, "exceed_context")):
        return ModelFailed(
            f"The conversation is too long for {where.model}{said}. Clear or fork the session, or send less.",
            "tooLong",
            retryable=False,
        )
    if 300 <= status < 400:
        return ModelFailed(f"{where.host} redirects (HTTP {status}): check base_url.", "badRequest", retryable=False)
    return ModelFailed(f"{where.host} refused the request{said}", "badRequest", retryable=False)


def cut_off(where: Where) -> ModelFailed:
    return ModelFailed(f"The reply of {where.host} was cut off before its end.", "cutOff", retryable=True)


def stalled(where: Where, seconds: float) -> ModelFailed:
    return ModelFailed(f"{where.host} sent nothing for {seconds:g} seconds.", "stalled", retryable=True)


def network(where: Where, error: BaseException, *, begun: bool = False) -> ModelFailed:
    """The transport's own errors. Their text may be empty; the kind then has to do."""
    cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None and isinstance(deeper, Exception):
        cause = deeper
    text = where.quote(str(cause)) or type(cause).__name__
    what = "The connection to {} broke: {}" if begun else "Cannot reach {}: {}. The prompt is kept; retry when online."
    address = f"{where.host}:{where.port}" if where.port and not begun else where.host
    return ModelFailed(what.format(address, text), "network", retryable=True)


def no_stream(status: int, content_type: str, where: Where) -> ModelFailed:
    """An answer with status 200 that is no event stream: a captive portal, a proxy's page, another API."""
    what = content_type.partition(";")[0].strip() or "no content type"
    return bad_reply(f"{where.host} answered {what} (HTTP {status}) where an event stream was due; check base_url")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The provider's wish in seconds, from ``retry-after-ms`` or ``retry-after`` (seconds or a date). Not capped."""
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1.0)
    if seconds is None and (date := headers.get("retry-after")):
        try:
            seconds = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if seconds is None else max(0.0, seconds)


def _number(text: str | None, unit: float) -> float | None:
    try:
        value = float(text) * unit if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def _kind_and_message(body: object) -> tuple[str, str]:
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            # HTML of some proxy says nothing that the status does not.
            return "", "" if str(body).lstrip().startswith("<") else str(body)
    if isinstance(body, dict) and isinstance(error := body.get("error", body), dict):
        return str(error.get("type") or ""), str(error.get("message") or "")
    return "", str(error) if isinstance(body, dict) else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
