"""The Messages API's error answers: statuses, types and body. Owns no rule about when one is due."""

import json
from typing import Final

KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """A refusal, as the real API words it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind_of(status)
        self.message = message


def kind_of(status: int) -> str:
    return KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_body(kind: str, message: str, request_id: str) -> bytes:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return json.dumps(body).encode()
